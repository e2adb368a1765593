// The resolver of `import` for Node.js 20, which has no synchronous hooks; it runs on a thread of its own.
export function resolve(specifier, context, next) {
  if (specifier !== 'net' && specifier !== 'node:net') return next(specifier, context)
  return { url: new URL('net.mjs', import.meta.url).href, shortCircuit: true }
}
