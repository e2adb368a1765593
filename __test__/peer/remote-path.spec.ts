import test, { type ExecutionContext } from 'ava'
import { randomBytes } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { abstractName, connect, type UnixSocketPath } from '../../index.js'
import { directory, everyPlace, listening, type Place, receive } from '../helpers/sockets.js'
import { Program } from '../helpers/program.js'

const clients = fileURLToPath(new URL('../programs/bound-clients.py', import.meta.url))

const hex = (path: UnixSocketPath): string => Buffer.from(path as Uint8Array).toString('hex')

/** Clients bind to each of `addresses` and connect. Returns accept()'s remotePath of each, in order, while another connection goes on. */
async function remotePaths(
  t: ExecutionContext,
  place: Place,
  addresses: readonly UnixSocketPath[],
): Promise<(UnixSocketPath | undefined)[]> {
  const listener = await listening(t, place)
  const [client, bystander] = await Promise.all([connect(listener.path), listener.accept()])
  t.teardown(() => {
    client.destroy()
    bystander.destroy()
  })
  const python = new Program(t, 'python3', [clients, hex(listener.path), ...addresses.map(hex)])
  const found: (UnixSocketPath | undefined)[] = []
  for (const number of addresses.keys()) {
    const server = await listener.accept()
    found.push(server.remotePath)
    const message = await receive(server, 4)
    t.is(message.readUInt32BE(), number)
    server.end(message)
    // Asked again after the peer has gone: the answer stays.
    t.deepEqual(await receive(server, 1), Buffer.alloc(0))
    t.deepEqual(server.remotePath, found[number])
    server.destroy()
    client.write(message)
    t.deepEqual(await receive(bystander, 4), message)
  }
  const { code, errors } = await python.ended
  t.deepEqual({ code, errors }, { code: 0, errors: '' })
  return found
}

for (const place of everyPlace) {
  test(`clients bound to paths of up to 108 bytes connect over a ${place}: remotePath is theirs`, async t => {
    t.timeout(30_000)
    const home = directory(t)
    const paths = [50, 106, 107, 108].map(length => `${home}/${'n'.repeat(length - home.length - 1)}`)
    const raw = [
      Buffer.from(`${home}/\xff\xfe`, 'latin1'),
      Buffer.from(`${home}/${'\xff'.repeat(108)}`, 'latin1').subarray(0, 108),
    ]
    const unicode = [`${home}/ä\u{1f600}`, `${home}/\ufeff`]
    const found = await remotePaths(t, place, [...paths, ...raw, ...unicode])
    t.deepEqual(found, [...paths, ...raw.map(bytes => Uint8Array.from(bytes)), ...unicode])
    t.is(readdirSync(home).length, paths.length + raw.length + unicode.length)
  })

  test(`clients bound to abstract names of every length connect over a ${place}: remotePath is theirs`, async t => {
    t.timeout(30_000)
    const names = Array.from({ length: 108 }, (_, length) => {
      const name = randomBytes(length)
      // With a zero byte at either end, which belongs to the name.
      if (length > 8) name[length % 2 === 0 ? 0 : length - 1] = 0
      return abstractName(name)
    })
    t.deepEqual(await remotePaths(t, place, names), names)
  })

  test(`a client that the kernel named, and one that has no name, over a ${place}`, async t => {
    const listener = await listening(t, place)
    const code = `
import socket, sys
for bind in (True, False):
    s = socket.socket(socket.AF_UNIX)
    if bind: s.bind("")
    s.connect(bytes.fromhex(sys.argv[1]))
    print(s.getsockname().hex() if bind else "", flush=True)
    s.recv(1)
`
    const python = new Program(t, 'python3', ['-c', code, hex(listener.path)])
    const named = await listener.accept()
    const name = named.remotePath as Uint8Array
    t.is(name.length, 6)
    named.destroy()
    const unnamed = await listener.accept()
    t.is(unnamed.remotePath, undefined)
    unnamed.destroy()
    const { output, code: exit } = await python.ended
    t.deepEqual([exit, output.trim()], [0, hex(name)])
  })
}
