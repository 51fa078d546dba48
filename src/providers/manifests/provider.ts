/** Provider `manifests`: a directory of Kubernetes objects, translated as a cluster's would be. */
import type { DynamicDelta, Provider, ProviderSink } from '#config/model/dynamic.ts'
import { KubernetesTranslator } from '#providers/kubernetes/translator.ts'
import type { TranslatorOptions } from '#providers/kubernetes/translator.ts'
import { ManifestSource } from './source.ts'

/** Behind the `@` of every name. */
export const PROVIDER_NAME = 'kubernetes'

export interface ManifestProviderOptions extends Pick<
  TranslatorOptions,
  'backends' | 'compat' | 'defaultEntryPoints'
> {
  /** The one class to serve; undefined: every class. */
  readonly ingressClass?: string
  /** False: one load, for commands that look and end. */
  readonly isWatching: boolean
}

export class ManifestProvider implements Provider {
  readonly name = PROVIDER_NAME
  readonly #dir: string
  readonly #options: ManifestProviderOptions

  constructor(dir: string, options: ManifestProviderOptions) {
    this.#dir = dir
    this.#options = options
  }

  /** Resolves when the first complete configuration has been handed on. */
  async start(sink: ProviderSink, signal: AbortSignal): Promise<void> {
    const { ingressClass, isWatching, ...options } = this.#options
    const translator = new KubernetesTranslator({
      ...options,
      classes: { kind: 'directory', ...(ingressClass === undefined ? {} : { only: ingressClass }) },
      providerName: PROVIDER_NAME,
    })
    const source = new ManifestSource(this.#dir, { isWatching })
    await source.start((change, ownFindings) => {
      const { delta, findings } = translator.apply(change)
      if (!isEmpty(delta)) sink.apply(delta)
      sink.findings([...ownFindings, ...findings])
    }, signal)
    if (!signal.aborted) sink.synced()
  }
}

function isEmpty({ services, middlewares, routers, certificates }: DynamicDelta): boolean {
  return (
    services === undefined && middlewares === undefined && routers === undefined && certificates === undefined
  )
}
