/** The runtime of this process. */
export const isBun = process.versions['bun'] !== undefined
export const isDeno = process.versions['deno'] !== undefined
export const isNode = !isBun && !isDeno
