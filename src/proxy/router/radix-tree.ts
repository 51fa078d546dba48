/**
 * A radix tree (path-compressed trie) over literal text: string prefixes of one host, names of wildcard hosts.
 * Holds at most one value per key; who needs several chains them. Walking it is left to the callers, which read
 * the nodes' fields: one wants the exact key, the other every key that is a prefix.
 *
 * Invariants: a node but the root has a value or at least two children; children are sorted by first code unit.
 */
export class RadixNode<V> {
  /** Text from the parent to here; `''` only at the root. */
  label: string
  value: V | null
  /** Replaced, not grown, when it changes: most nodes are leaves and most others have two children. */
  children: readonly RadixNode<V>[] | null

  constructor(label: string, value: V | null, children: readonly RadixNode<V>[] | null) {
    this.label = label
    this.value = value
    this.children = children
  }
}

/** The child whose label begins with `code`. */
export function childOf<V>(node: RadixNode<V>, code: number): RadixNode<V> | null {
  const children = node.children
  if (children === null) return null
  let low = 0
  let high = children.length - 1
  while (low <= high) {
    const middle = (low + high) >> 1
    const child = children[middle] as RadixNode<V>
    const first = child.label.charCodeAt(0)
    if (first === code) return child
    if (first < code) low = middle + 1
    else high = middle - 1
  }
  return null
}

/** Whether `text` continues with `label` at `from`. */
export function continuesWith(text: string, from: number, label: string): boolean {
  const length = label.length
  if (text.length - from < length) return false
  for (let i = 0; i < length; i++) if (text.charCodeAt(from + i) !== label.charCodeAt(i)) return false
  return true
}

export class RadixTree<V> {
  readonly root = new RadixNode<V>('', null, null)

  /** Value of the key that is `text` from `from` to its end. */
  get(text: string, from: number): V | null {
    let node = this.root
    let at = from
    while (at < text.length) {
      const child = childOf(node, text.charCodeAt(at))
      if (child === null || !continuesWith(text, at, child.label)) return null
      at += child.label.length
      node = child
    }
    return node.value
  }

  set(key: string, value: V): void {
    let node = this.root
    let at = 0
    while (at < key.length) {
      const child = childOf(node, key.charCodeAt(at))
      if (child === null) {
        node.children = inserted(node.children, new RadixNode<V>(key.slice(at), value, null))
        return
      }
      const shared = sharedLength(key, at, child.label)
      if (shared < child.label.length) {
        const lower = new RadixNode(child.label.slice(shared), child.value, child.children)
        child.label = child.label.slice(0, shared)
        child.value = null
        child.children = [lower]
      }
      at += shared
      node = child
    }
    node.value = value
  }

  delete(key: string): void {
    let above: RadixNode<V> | null = null
    let parent: RadixNode<V> | null = null
    let node = this.root
    let at = 0
    while (at < key.length) {
      const child = childOf(node, key.charCodeAt(at))
      if (child === null || !continuesWith(key, at, child.label)) return
      at += child.label.length
      above = parent
      parent = node
      node = child
    }
    node.value = null
    if (parent === null) return
    if (node.children !== null) {
      joinOnlyChild(node)
      return
    }
    const rest = (parent.children as readonly RadixNode<V>[]).filter((child) => child !== node)
    parent.children = rest.length === 0 ? null : rest
    if (above !== null) joinOnlyChild(parent)
  }

  /** Every value, in no promised order. */
  *values(): Generator<V> {
    const open: RadixNode<V>[] = [this.root]
    for (let node = open.pop(); node !== undefined; node = open.pop()) {
      if (node.value !== null) yield node.value
      if (node.children !== null) open.push(...node.children)
    }
  }
}

function sharedLength(key: string, at: number, label: string): number {
  const end = Math.min(key.length - at, label.length)
  let i = 0
  while (i < end && key.charCodeAt(at + i) === label.charCodeAt(i)) i++
  return i
}

function inserted<V>(children: readonly RadixNode<V>[] | null, added: RadixNode<V>): readonly RadixNode<V>[] {
  if (children === null) return [added]
  const code = added.label.charCodeAt(0)
  let at = 0
  while (at < children.length && (children[at] as RadixNode<V>).label.charCodeAt(0) < code) at++
  return [...children.slice(0, at), added, ...children.slice(at)]
}

/** A node without value and with one child is one edge with it. */
function joinOnlyChild<V>(node: RadixNode<V>): void {
  const only = node.children?.[0]
  if (node.value !== null || node.children?.length !== 1 || only === undefined) return
  node.label += only.label
  node.value = only.value
  node.children = only.children
}
