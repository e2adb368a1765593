// Puts what no program needs before its first call into a chunk of its own, which is required then. Most of what an import costs is compiling.
import { basename, dirname, join } from 'node:path'
import { RolldownMagicString } from 'rolldown'
import { root } from './command.js'

const src = join(root, 'src')
const internal = join(src, 'internal')

/** The internal modules that others use while they are loaded. Add a module when the bundle fails because an export of it is missing. */
const early = new Set([
  'assignable',
  'binding',
  'brand',
  'builtins',
  'datagram-options',
  'hooks',
  'listener-changes',
  'listener-options',
  'message-info',
  'native',
  'net-socket-surface',
  'onread',
  'packet-options',
  'resource',
  'scheduling',
  'socket-options',
  'validation',
  'writable-stream',
])
/** The public modules that only functions use. */
const latePublic = new Set(['identity'])

function chunkOf(id) {
  const [folder, name] = [dirname(id), basename(id, '.ts')]
  if (folder === src && name !== 'index') return latePublic.has(name) ? 'late' : 'shared'
  if (folder === join(src, 'http') && name !== 'index') return 'http'
  if (folder !== internal) return undefined
  return early.has(name) ? 'shared' : 'late'
}

/**
 * The option `codeSplitting` of the bundler. What `udsock/http` consists of is a chunk of its own, and the entry is small: Node searches
 * the CommonJS that an ES module imports for exports, which takes milliseconds.
 */
export const codeSplitting = {
  includeDependenciesRecursively: false,
  groups: ['shared', 'late', 'http'].map(name => ({ name, test: id => chunkOf(id) === name })),
}

const statements = /^const (require_\w+) = (require\(.*\));\n/gm

const getters =
  /^Object\.defineProperty\(exports, "([\w$]+)", \{\s+enumerable: true,\s+get: function \(\) \{\s+return ([\w$]+);\s+\}\s+\}\);$/gm

const unique = uses => [...new Set(uses.map(([, used]) => used))]

/**
 * Has each chunk require the late one where it is used first, and no chunk of which it uses nothing. What is used of another chunk is
 * copied: V8 makes a dictionary of exports that are so many, and each write of a socket looks some of them up.
 */
export const lateChunk = {
  name: 'late-chunk',
  renderChunk(code, { name: ownName }) {
    const text = new RolldownMagicString(code)
    for (const { 0: statement, 1: name, 2: call, index } of code.matchAll(statements)) {
      const end = index + statement.length
      const uses = [...code.slice(end).matchAll(new RegExp(`\\b${name}\\.([\\w$]+)`, 'g'))]
      const mentions = code.slice(end).match(new RegExp(`\\b${name}\\b`, 'g')) ?? []
      if (mentions.length !== uses.length) throw new Error(`${name} is used otherwise than by its exports`)
      const replaceUses = replacement => {
        for (const { 0: whole, 1: used, index: offset } of uses)
          text.update(end + offset, end + offset + whole.length, replacement(used))
      }
      if (uses.length === 0) text.remove(index, end)
      else if (name === 'require_late') {
        const copies = unique(uses).map(used => `${used}: chunk.${used}`)
        const load = `() => {\n\tconst chunk = ${call};\n\treturn late = { ${copies.join(', ')} };\n}`
        text.update(index, end, `let late;\nconst ${name} = ${load};\n`)
        replaceUses(used => `(late ?? ${name}()).${used}`)
      } else if (name === 'require_shared' && ownName !== 'index') {
        const copies = unique(uses).map(used => `${used}: shared_${used}`)
        text.update(index, end, `const { ${copies.join(', ')} } = ${call};\n`)
        replaceUses(used => `shared_${used}`)
      }
    }
    // A getter for each name takes longer, and no export changes (import/no-mutable-exports).
    for (const { 0: whole, 1: name, 2: local, index } of code.matchAll(getters))
      text.update(index, index + whole.length, `exports.${name} = ${local};`)
    return text
  },
}
