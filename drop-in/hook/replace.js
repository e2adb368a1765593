// Replaces the module `net` for every `require` and `import` that follows.
import Module, { createRequire } from 'node:module'

const isNet = specifier => specifier === 'net' || specifier === 'node:net'

/** Has `net` and `node:net` mean `exports`, in CommonJS and in ES modules. */
export function replaceNet(exports) {
  globalThis[Symbol.for('udsock.drop-in')] = exports
  const { getBuiltinModule } = process
  if (getBuiltinModule !== undefined)
    process.getBuiltinModule = id => (isNet(id) ? exports : getBuiltinModule.call(process, id))
  if (Module.registerHooks === undefined) replaceByLoaders()
  else Module.registerHooks({ resolve: resolveNet })
}

function resolveNet(specifier, context, next) {
  if (!isNet(specifier)) return next(specifier, context)
  const file = context.conditions.includes('require') ? 'net.cjs' : 'net.mjs'
  return { url: new URL(file, import.meta.url).href, shortCircuit: true }
}

function replaceByLoaders() {
  const require = createRequire(import.meta.url)
  const load = Module._load
  Module._load = function (request, ...rest) {
    return isNet(request) ? require('./net.cjs') : load.call(this, request, ...rest)
  }
  Module.register('./resolve.mjs', import.meta.url)
}
