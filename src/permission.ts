import { dirname, join, resolve } from 'node:path'
import { accessDenied } from './errors.js'

/** Permissions of Node's permission model, as errors name them and as options grant them. */
const kinds = {
  'fs.read': { name: 'FileSystemRead', option: '--allow-fs-read' },
  'fs.write': { name: 'FileSystemWrite', option: '--allow-fs-write' },
  net: { name: 'Net', option: '--allow-net' },
} as const

type Kind = keyof typeof kinds

/** Undefined unless the process was started with --permission. */
const permission = process.permission as typeof process.permission | undefined
/** Before Node 25 there is no such permission, and nobody has it. */
const hasNet = permission !== undefined && process.allowedNodeEnvironmentFlags.has('--allow-net')

function ask(syscall: string, address: string, kind: Kind, file?: string): void {
  if (permission!.has(kind, file)) return
  const { name, option } = kinds[kind]
  throw accessDenied(syscall, address, { permission: name, resource: file ?? address, option })
}

/**
 * May this process listen at `address`, for people `display`? It takes leave to write the file, for 'takeOver' also that of
 * the temporary name, and on Node 25 and later `net`; an abstract name, which has no file, takes `net` alone.
 *
 * Native code is not restrained by Node's permission model, so whoever calls it has to ask. A symbolic link counts as what
 * its name says, as for node:fs.
 *
 * @throws ERR_ACCESS_DENIED. Source: "Permission Model" of Node's documentation.
 */
export function mayListen(address: Uint8Array, display: string, takesOver = false): void {
  if (permission === undefined) return
  if (address[0] !== 0) {
    const file = resolve(display)
    ask('listen', display, 'fs.write', file)
    if (takesOver) ask('listen', display, 'fs.write', temporaryName(file))
  }
  if (hasNet) ask('listen', display, 'net')
}

/** May who listens change the mode of the file, which takes leave to read what it is? */
export function mayWiden(display: string): void {
  if (permission !== undefined) ask('listen', display, 'fs.read', resolve(display))
}

/** The same for a connection, which takes leave to read and to write the file. */
export function mayConnect(address: Uint8Array, display: string): void {
  if (permission === undefined) return
  if (address[0] !== 0) {
    const file = resolve(display)
    ask('connect', display, 'fs.read', file)
    ask('connect', display, 'fs.write', file)
  }
  if (hasNet) ask('connect', display, 'net')
}

/** Where 'takeOver' binds first: the crate udsock's name. */
function temporaryName(file: string): string {
  return join(dirname(file), `.udsock-${process.geteuid!()}`)
}
