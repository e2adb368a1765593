// Kinds of results, and what they are called: node-26, bun, deno, peers-26, messages-26.

const titles = { node: 'Node.js', bun: 'Bun', deno: 'Deno', peers: 'Node.js', messages: 'Node.js' }

/** The runtime. */
export function titleOfKind(kind) {
  const [name, major] = kind.split('-')
  return major === undefined ? titles[name] : `${titles[name]} ${major}`
}

/** Whether results are of peers other than node:net. */
export const isOfPeers = kind => kind.startsWith('peers') || isOfMessages(kind)

/** Whether results are of messages and descriptors. */
export const isOfMessages = kind => kind.startsWith('messages')
