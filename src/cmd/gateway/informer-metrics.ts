/** Metrics about how the cluster is followed, read from the provider at each scrape. */
import type { MetricsAggregate } from '#observe/metrics/aggregate.ts'
import {
  KUBE_LAST_EVENT_TIME,
  KUBE_LISTS,
  KUBE_OBJECTS,
  KUBE_PROBLEMS,
  KUBE_STALLS,
  KUBE_WATCHES,
} from '#observe/metrics/families.ts'
import type { KubernetesIngressProvider } from '#providers/kubernetes-ingress/provider.ts'
import type { ResourceFacts } from '#providers/kubernetes-ingress/watched-resource.ts'

/** One row per resource, whatever the number of namespaces that are watched one by one. */
export function showInformers(
  metrics: MetricsAggregate,
  provider: Pick<KubernetesIngressProvider, 'facts'>,
): void {
  const { own } = metrics
  metrics.onScrape(() => {
    for (const [resource, facts] of byResource(provider.facts())) {
      own.gauge(KUBE_OBJECTS, [resource]).set(facts.objects)
      own.gauge(KUBE_PROBLEMS, [resource]).set(facts.problems)
      own.counter(KUBE_LISTS, [resource]).set(facts.lists)
      own.counter(KUBE_WATCHES, [resource]).set(facts.watches)
      own.counter(KUBE_STALLS, [resource]).set(facts.stalls)
      if (facts.lastEventAt > 0) own.gauge(KUBE_LAST_EVENT_TIME, [resource]).set(facts.lastEventAt / 1000)
    }
  })
}

interface Sums {
  objects: number
  problems: number
  lists: number
  watches: number
  stalls: number
  lastEventAt: number
}

function byResource(all: readonly ResourceFacts[]): ReadonlyMap<string, Sums> {
  const sums = new Map<string, Sums>()
  for (const facts of all) {
    let sum = sums.get(facts.resource)
    if (sum === undefined) {
      sum = { objects: 0, problems: 0, lists: 0, watches: 0, stalls: 0, lastEventAt: 0 }
      sums.set(facts.resource, sum)
    }
    sum.objects += facts.objects
    sum.problems += Number(facts.hasProblem)
    sum.lists += facts.lists
    sum.watches += facts.watches
    sum.stalls += facts.stalls
    sum.lastEventAt = Math.max(sum.lastEventAt, facts.lastEventAt)
  }
  return sums
}
