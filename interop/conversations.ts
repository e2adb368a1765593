// The conversations with every foreign program, in both roles, on both kinds of address.
import { randomBytes } from 'node:crypto'
import test, { type ExecutionContext, type Implementation } from 'ava'
import { connect, listen, type UnixSocket } from '../index.js'
import { Peer, closed, filesystemAddress, rest, send, sha256, take, type Address } from './helpers.js'

export type Role = 'listen' | 'connect'

/** How the program behaves: sends back what it gets; answers after our end; or ends first and reads on. */
export type Manner = 'echo' | 'endsLast' | 'endsFirst'

export interface Foreign {
  readonly name: string
  readonly available: boolean
  /** How to install it where it is missing. */
  readonly install: string
  command(role: Role, address: Address, manner: Manner): readonly [file: string, ...args: string[]]
  abstractAddress(): Address
}

interface Conversation {
  readonly title: string
  readonly manner: Manner
  hold(t: ExecutionContext, socket: UnixSocket, peer: Peer): Promise<void>
}

const MEBIBYTE = 1024 * 1024

/** A message that holds every byte value, and is never the same as a message of another length. */
function pattern(length: number): Buffer {
  return Buffer.from(Array.from({ length }, (_, index) => (index * 31 + length) & 0xff))
}

const conversations: readonly Conversation[] = [
  {
    title: 'messages in turn come back byte for byte',
    manner: 'echo',
    async hold(t, socket) {
      for (const length of [1, 2, 255, 256, 4096, 8191, 8193, 65_536, 65_537, 300_000]) {
        const message = pattern(length)
        const [answer] = await Promise.all([take(socket, length), send(socket, message)])
        t.true(answer.equals(message), `the echo of ${length} bytes differs`)
      }
      socket.end()
      t.is((await rest(socket)).length, 0)
    },
  },
  {
    title: 'megabytes in both directions at once keep their SHA-256',
    manner: 'echo',
    async hold(t, socket) {
      const bytes = randomBytes(8 * MEBIBYTE)
      const [received] = await Promise.all([rest(socket), send(socket, bytes).then(() => socket.end())])
      t.is(received.length, bytes.length)
      t.is(sha256(received), sha256(bytes))
      t.is(socket.bytesRead, bytes.length)
      t.is(socket.bytesWritten, bytes.length)
    },
  },
  {
    title: 'we end first, the peer reads it all and still answers',
    manner: 'endsLast',
    async hold(t, socket) {
      const bytes = randomBytes(4 * MEBIBYTE)
      await send(socket, bytes)
      socket.end()
      const answer = await rest(socket)
      t.is(answer.toString('latin1', 0, 64), sha256(bytes))
    },
  },
  {
    title: 'the peer ends first, we still send',
    manner: 'endsFirst',
    async hold(t, socket, peer) {
      t.is((await rest(socket)).toString(), 'greeting')
      t.true(socket.writable)
      const bytes = randomBytes(4 * MEBIBYTE)
      await send(socket, bytes)
      socket.end()
      t.is((await peer.line(/^[\da-f]{64}/)).slice(0, 64), sha256(bytes))
    },
  },
]

/** Registers a test that runs the foreign program: without it, a failure in CI and visibly skipped elsewhere. */
export function foreignTest(foreign: Foreign, title: string, implementation: Implementation<[]>): void {
  if (foreign.available) test.serial(title, implementation)
  else if (process.env.CI) test.serial(title, t => t.fail(`${foreign.name} is missing: ${foreign.install}`))
  else test.serial.skip(`${title} (${foreign.name} is missing: ${foreign.install})`, implementation)
}

/** Connects ours to a foreign listener, or takes the connection of a foreign client. */
export async function meet(
  t: ExecutionContext,
  foreign: Foreign,
  role: Role,
  address: Address,
  manner: Manner,
): Promise<[socket: UnixSocket, peer: Peer]> {
  const [file, ...args] = foreign.command(role, address, manner)
  if (role === 'listen') {
    const peer = new Peer(t, file, args)
    await peer.line(/listening/)
    const socket = await connect(address.path)
    t.teardown(() => socket.destroy())
    return [socket, peer]
  }
  const listener = await listen(address.path)
  t.teardown(() => listener.close())
  const peer = new Peer(t, file, args)
  const socket = await Promise.race([listener.accept(), peer.failure()])
  t.teardown(() => socket.destroy())
  return [socket, peer]
}

/** Registers every conversation with `foreign`. */
export function converse(foreign: Foreign): void {
  const places = [{ where: 'a path', choose: filesystemAddress }]
  if (process.platform === 'linux') {
    places.push({ where: 'an abstract name', choose: async () => foreign.abstractAddress() })
  }
  for (const role of ['listen', 'connect'] as const) {
    for (const { where, choose } of places) {
      for (const { title, manner, hold } of conversations) {
        const roles = role === 'listen' ? `listens on ${where}` : `connects to our listener on ${where}`
        foreignTest(foreign, `${foreign.name} ${roles}: ${title}`, async t => {
          t.timeout(30_000)
          const [socket, peer] = await meet(t, foreign, role, await choose(t), manner)
          await hold(t, socket, peer)
          await closed(socket)
          await peer.ended()
        })
      }
    }
  }
}

/** Registers the proof that both sides take every byte of an abstract name, trailing zeros included. */
export function converseOnExactNames(foreign: Foreign): void {
  if (process.platform !== 'linux') return
  for (const role of ['listen', 'connect'] as const) {
    const roles = role === 'listen' ? 'listens on' : 'connects to'
    foreignTest(
      foreign,
      `${foreign.name} ${roles} abstract names that only a zero byte tells apart`,
      async t => {
        t.timeout(30_000)
        const name = foreign.abstractAddress()
        const bytes = name.path as Uint8Array
        const addresses = [
          name,
          { path: Buffer.concat([bytes, Buffer.alloc(1)]), argument: `${name.argument}@` },
          { path: Buffer.concat([bytes, Buffer.from('\0x')]), argument: `${name.argument}@x` },
        ]
        // All at once, so that a name taken for another's would be in use, or reach the wrong program.
        const meetings = await Promise.all(
          addresses.map(address => meet(t, foreign, role, address, 'endsLast')),
        )
        for (const [index, [socket, peer]] of meetings.entries()) {
          const message = Buffer.from(`for name ${index}`)
          socket.end(message)
          t.is((await rest(socket)).toString(), sha256(message))
          t.is(await peer.line(/^[\da-f]{64}$/), sha256(message))
          await closed(socket)
          await peer.ended()
        }
      },
    )
  }
}
