// Imports the package from each of the directories that the arguments give, and lets each copy talk with each, on paths
// in the last argument. Prints the failures, and ends by itself.
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const homes = process.argv.slice(2, -1)
const directory = process.argv.at(-1)
const load = (home, file) => import(pathToFileURL(join(home, file)).href)
const copies = []
const nets = []
// One after the other: Deno's loader sometimes hangs on two fresh copies at once.
for (const home of homes) {
  copies.push(await load(home, 'lib/index.js'))
  nets.push(await load(home, 'lib/net.js'))
}

const wrong = []
const check = (what, holds) => holds || wrong.push(what)
const sha256 = chunks => createHash('sha256').update(Buffer.concat(chunks)).digest('hex')
const sent = Buffer.alloc(3_000_000, 'every copy has its own engine; ')
const expected = sha256([sent])

async function received(socket) {
  const chunks = []
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) chunks.push(chunk)
  return sha256(chunks)
}

/** Both ends send, and read to the end. */
async function talk(what, client, server) {
  const ends = [client, server]
  for (const socket of ends) {
    for (let from = 0; from < 100_000; from += 1000) socket.write(sent.subarray(from, from + 1000))
    socket.end(sent.subarray(100_000))
  }
  for (const digest of await Promise.all(ends.map(received))) check(`${what}: bytes`, digest === expected)
}

async function exchange(what, client, server) {
  const messages = Array.from({ length: 200 }, (_, number) => `message ${number}`)
  for (const message of messages) client.send(message)
  client.end()
  server.end()
  const got = []
  for await (const message of server) got.push(String(message))
  check(`${what}: messages`, got.join() === messages.join())
}

const closed = emitter => new Promise(resolve => emitter.once('close', resolve))

async function meet(left, right) {
  const what = `${left} listens, ${right} connects`
  const [a, b] = [copies[left], copies[right]]
  const listener = await a.listen(join(directory, `${left}-${right}`), { unlinkOnClose: true })
  check(`${what}: is a listener to both`, a.isUnixListener(listener) && b.isUnixListener(listener))
  check(`${what}: the brand alone`, !b.isUnixListener({}) && !b.isUnixListener(a))
  check(`${what}: instanceof`, listener instanceof b.UnixListener === (a === b))

  const [client, server] = await Promise.all([b.connect(listener.path), listener.accept()])
  await talk(what, client, server)
  const [one, other] = await Promise.all([b.connect(listener.path), listener.accept()])
  // Each over the other copy's socket.
  await exchange(what, new a.FramedSocket(one), new b.FramedSocket(other))
  const [third, fourth] = await Promise.all([b.connect(listener.path), listener.accept()])
  third.pipe(third)
  fourth.write('dispose')
  fourth.once('data', () => fourth.destroy())
  await closed(fourth)
  await listener.close()

  const path = join(directory, `${left}-${right}-net`)
  const accepted = new Promise(resolve => {
    nets[left].createServer({ allowHalfOpen: true }, resolve).listen(path)
  })
  const socket = nets[right].connect({ path, allowHalfOpen: true })
  const peer = await accepted
  await talk(`${what}, net`, socket, peer)
  await closed(peer.server.close())
  for (const each of [client, server, one, other, third]) if (!each.destroyed) each.destroy()
}

const indices = [...copies.keys()]
const pairs = indices.flatMap(left => indices.map(right => [left, right]))
await Promise.all(pairs.map(([left, right]) => meet(left, right)))
process.once('exit', code => console.log(JSON.stringify({ wrong, pairs: pairs.length, code })))
