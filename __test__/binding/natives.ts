/** The native functions, each with arguments: the tables that tests of all of them share. */
import { constants } from 'node:os'
import { binding } from '../../dist/internal/binding.js'
import { SLOTS } from '../../dist/internal/native.js'

type NativeFunction = (...args: unknown[]) => unknown

const { EBADF, EINVAL } = constants.errno

/** What no socket, descriptor, request, length or option has. -0 is 0. */
export const odd = [-1, NaN, 0.5, 2 ** 53, Infinity, -Infinity]
export const never = [...odd, -0, 0, 1]

/** A reactor of the test's own, beside the package's. */
export function reactor(): { macros: Record<string, NativeFunction>; raw: Record<string, NativeFunction> } {
  const ring = new Uint8Array(16 * 1025)
  const { Driver } = binding()
  const made = new Driver(
    () => {},
    () => {},
    ring,
    Buffer.allocUnsafeSlow(65_536),
    // Every runtime has a doorbell.
    true,
  )
  return { macros: made as never, raw: made.functions() as never }
}

export const address = Buffer.from('/nonexistent/socket')
export const chunk = new Uint8Array(8)
export const one = SLOTS

interface Case {
  /** Arguments with which the call is right but for its id, which names no socket. */
  args: unknown[]
  /** For each argument that is a number: the odd values that it refuses, and with which errno. */
  numbers: Record<number, { refuses: readonly number[]; errno: number }>
}

const id = { refuses: never, errno: EBADF }
const number = { refuses: odd, errno: EINVAL }
export const raw: Record<string, Case> = {
  poll: { args: [0], numbers: { 0: number } },
  pollRest: { args: [], numbers: {} },
  arm: { args: [], numbers: {} },
  readStart: { args: [one, 0], numbers: { 0: id, 1: number } },
  readStop: { args: [one], numbers: { 0: id } },
  read: { args: [one, chunk], numbers: { 0: id } },
  write: { args: [one, chunk, 0, 8], numbers: { 0: id, 2: number, 3: number } },
  writev: { args: [one, [chunk], [8], 1, 0], numbers: { 0: id, 3: number, 4: number } },
  writeWith: { args: [one, chunk, 0, 8, [], 0], numbers: { 2: number, 3: number, 5: number } },
  writeLent: { args: [one, chunk, 0, 8, [], 0], numbers: { 2: number, 3: number, 5: number } },
  closeDescriptor: { args: [one], numbers: { 0: id } },
  sendRecordWith: {
    args: [one, chunk, 0, 8, [], 0, undefined],
    numbers: { 2: number, 3: number, 5: number },
  },
  takeDescriptors: { args: [one, new Uint8Array(253 * 16)], numbers: { 0: id } },
  sendRecords: {
    args: [one, chunk, new Uint8Array(8), 0, 1, undefined],
    numbers: { 0: id, 3: number, 4: number },
  },
  accept: { args: [one], numbers: { 0: id } },
  peer: { args: [one], numbers: { 0: id } },
  hasInput: { args: [one], numbers: { 0: id } },
  shutdown: { args: [one, 1], numbers: { 0: id, 1: number } },
  close: { args: [one], numbers: { 0: id } },
  keepAlive: { args: [0], numbers: { 0: number } },
  callWhenClosing: { args: [], numbers: {} },
  connect: { args: [address, 0, 0], numbers: { 1: number, 2: number } },
  threadTime: { args: [], numbers: {} },
  processors: { args: [], numbers: {} },
  crowd: { args: [], numbers: {} },
}
const fractions = odd.filter(value => value !== 0.5)
export const macros: Record<string, Case> = {
  functions: { args: [], numbers: {} },
  connect: {
    args: [1, address, -1, false, 0],
    // Half a millisecond is a time, and -1 none.
    numbers: {
      0: number,
      2: { refuses: fractions.filter(value => value !== -1), errno: EINVAL },
      4: number,
    },
  },
  listen: {
    args: [1, address, 4, -1, 0, 0],
    numbers: {
      0: number,
      2: number,
      3: { refuses: odd.filter(v => v !== -1), errno: EINVAL },
      4: number,
      5: number,
    },
  },
  cancelListen: { args: [1], numbers: { 0: number } },
  removeFile: { args: [1], numbers: { 0: number } },
  refuseNewcomers: { args: [one], numbers: { 0: id } },
  removeFiles: { args: [], numbers: {} },
  listenNow: { args: [address, 4, false, 0], numbers: { 1: number, 3: number } },
  removeFileNow: { args: [one], numbers: { 0: id } },
  adopt: { args: [-1, false], numbers: { 0: { refuses: odd, errno: EBADF } } },
  adoptConnection: { args: [-1, false], numbers: { 0: { refuses: odd, errno: EBADF } } },
  allow: { args: [one, [1], [1]], numbers: { 0: id } },
  holdDescriptor: { args: [-1], numbers: { 0: { refuses: odd, errno: EBADF } } },
  duplicateDescriptor: { args: [-1], numbers: { 0: { refuses: odd, errno: EBADF } } },
  duplicateListener: { args: [one], numbers: { 0: id } },
  descriptorNumber: { args: [one], numbers: { 0: id } },
  descriptorKind: { args: [one], numbers: { 0: id } },
  releaseDescriptor: { args: [one], numbers: { 0: id } },
  receiveDescriptors: { args: [one, 1], numbers: { 0: id, 1: number } },
  detach: { args: [one], numbers: { 0: id } },
  datagramSocket: { args: [false], numbers: {} },
  autobind: { args: [one], numbers: { 0: id } },
  bindDatagrams: { args: [one, address], numbers: { 0: id } },
  connectDatagrams: { args: [one, address], numbers: { 0: id } },
  disconnectDatagrams: { args: [one], numbers: { 0: id } },
  passCredentials: { args: [one, true], numbers: { 0: id } },
  setLongestRecord: { args: [one, 1], numbers: { 0: id, 1: number } },
  forget: { args: [1], numbers: { 0: number } },
}
/** These have no errno to return: what is no socket is acceptable, pauses for 0 ms and has an empty address. */
export const questions: Record<string, unknown> = {
  isAcceptable: true,
  pausedFor: 0,
  peerAddress: new Uint8Array(),
  localAddress: new Uint8Array(),
}
