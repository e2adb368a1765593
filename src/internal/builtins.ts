/** Node's modules that take milliseconds to load and that most programs need late or never: each is loaded at its first use. */
import { getBuiltinModule } from 'node:process'

type Builtins = {
  'node:tls': typeof import('node:tls')
  'node:worker_threads': typeof import('node:worker_threads') & {
    /** Node.js has it since 22.10. */
    readonly markAsUncloneable?: (object: object) => void
  }
  'node:zlib': typeof import('node:zlib')
}

const loaded: { -readonly [Name in keyof Builtins]?: Builtins[Name] } = {}

/** Returns a module of Node. */
export function builtin<Name extends keyof Builtins>(name: Name): Builtins[Name] {
  return (loaded[name] ??= getBuiltinModule(name) as Builtins[Name])
}
