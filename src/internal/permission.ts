/**
 * Node's permission model. It does not restrain native code, so every function that binds or connects asks here first.
 *
 * As for node:fs, the permission is that of the path as it is written: a symbolic link is not followed.
 * Source: "Permission Model" of Node's documentation.
 */
import { dirname, join, resolve } from 'node:path'
import { accessDenied } from './errors.js'

/** Each permission, with its name in errors and the option that grants it. */
const kinds = {
  'fs.read': { name: 'FileSystemRead', option: '--allow-fs-read' },
  'fs.write': { name: 'FileSystemWrite', option: '--allow-fs-write' },
  net: { name: 'Net', option: '--allow-net' },
} as const

type Kind = keyof typeof kinds

/** Undefined unless the process was started with --permission. */
const permission = process.permission as typeof process.permission | undefined
/** Whether this version of Node has the permission `net`, which came with Node 25. */
const hasNet = permission !== undefined && process.allowedNodeEnvironmentFlags.has('--allow-net')

/** Throws ERR_ACCESS_DENIED without the permission `kind`, for `file` if it is given. */
function check(syscall: string, address: string, kind: Kind, file?: string): void {
  if (permission!.has(kind, file)) return
  const { name, option } = kinds[kind]
  throw accessDenied(syscall, address, { permission: name, resource: file ?? address, option })
}

/**
 * Refuses to listen at `address`, or to bind it, which error texts call `display`, without permission. A path requires permission to write the
 * file, with `takesOver` also the temporary file, and on Node 25 and later `net`. An abstract name has no file, and requires `net`
 * alone.
 *
 * @throws ERR_ACCESS_DENIED.
 */
export function checkListenPermission(
  address: Uint8Array,
  display: string,
  takesOver = false,
  syscall = 'listen',
): void {
  if (permission === undefined) return
  if (address[0] !== 0) {
    const file = resolve(display)
    check(syscall, display, 'fs.write', file)
    if (takesOver) check(syscall, display, 'fs.write', temporaryName(file))
  }
  if (hasNet) check(syscall, display, 'net')
}

/** Refuses to change the mode of a socket file without permission to read the file. Throws ERR_ACCESS_DENIED. */
export function checkModePermission(display: string): void {
  if (permission !== undefined) check('listen', display, 'fs.read', resolve(display))
}

/** Refuses to connect without permission to read and to write the file, and `net`. Throws ERR_ACCESS_DENIED. */
export function checkConnectPermission(address: Uint8Array, display: string): void {
  if (permission === undefined) return
  if (address[0] !== 0) {
    const file = resolve(display)
    check('connect', display, 'fs.read', file)
    check('connect', display, 'fs.write', file)
  }
  if (hasNet) check('connect', display, 'net')
}

/** Returns the path at which 'takeOver' binds first. The crate udsock has the same name. */
function temporaryName(file: string): string {
  return join(dirname(file), `.udsock-${process.geteuid!()}`)
}
