// Datagrams in every way of sending them while system calls fail. Usage: datagrams.js RULES SEED.
//
// A message whose callback has no error arrives once, whole, and in the order of its sender; any other message does not arrive. After the failure
// of a receiver itself, messages that it had not read are missing.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bindDatagram, socketpair } from '../../index.js'
import { createSocket } from '../../dgram.js'
import { sleep } from './ledger.js'
import { filesOf, twoRounds } from './rounds.js'

const total = 400
const home = mkdtempSync(join(tmpdir(), 'uf-'))
process.on('exit', () => rmSync(home, { recursive: true, force: true }))

/** The message of this number: its length and its bytes depend on it. Every tenth is empty. */
const messageOf = number => Buffer.alloc(number % 10 === 0 ? 0 : (number * 37) % 5000, number % 251)

/** Receives on a socket, by sender: messages and what came with them. */
class Receiver {
  errors = []
  broken = []
  #received = new Map()

  constructor(socket, hasCredentials) {
    this.socket = socket
    this.hasCredentials = hasCredentials
    socket.on('error', ({ code }) => this.errors.push(code))
    socket.on('message', (message, info) => this.#take(message, info))
  }

  #take(message, { from, peer, truncated, descriptors }) {
    const isKnown = !this.hasCredentials || (peer?.uid === process.getuid() && peer.pid === process.pid)
    if (truncated || !isKnown)
      this.broken.push(`a message of ${from} has ${JSON.stringify({ truncated, peer })}`)
    this.of(from).push({ message, files: descriptors.length })
    for (const descriptor of descriptors) descriptor.close()
  }

  /** What has come from the sender at this path. */
  of(path) {
    if (!this.#received.has(path)) this.#received.set(path, [])
    return this.#received.get(path)
  }
}

/** One sender, and the outcome of each of its messages: 'sent', or the code of an error. */
class Sender {
  outcomes = []
  broken = []

  /** `path`: where its messages come from. */
  constructor(name, receiver, path) {
    this.name = name
    this.receiver = receiver
    this.path = path
  }

  /** Returns a callback for the message of this number. */
  settle(number) {
    return error => {
      if (this.outcomes[number] !== undefined) this.broken.push(`${this.name} ${number}: called back twice`)
      this.outcomes[number] = error?.code ?? 'sent'
    }
  }

  get sent() {
    return this.outcomes.flatMap((outcome, number) => (outcome === 'sent' ? number : []))
  }

  get received() {
    return this.receiver.of(this.path)
  }

  /** Compares what was sent with what was received. */
  check(hasFiles) {
    const { sent, received, broken, name } = this
    if (this.outcomes.filter(Boolean).length !== total) broken.push(`${name}: callbacks are missing`)
    const isWhole = !this.receiver.socket.closed
    if (received.length > sent.length || (isWhole && received.length < sent.length))
      broken.push(`${name}: ${received.length} of ${sent.length} messages`)
    for (const [index, { message, files }] of received.entries()) {
      const number = sent[index]
      if (number === undefined || !message.equals(messageOf(number))) broken.push(`${name}: message ${index}`)
      else if (files !== (hasFiles ? filesOf(number) : 0)) broken.push(`${name}: ${files} descriptors`)
    }
    return broken.slice(0, 3)
  }
}

const once = (socket, event) => new Promise(resolve => socket.once(event, resolve))

/** Sends by a DatagramSocket; `to` and descriptors are options. */
async function sendAll(sender, socket, { to, hasFiles = false }) {
  const closed = once(socket, 'close')
  for (let number = 0; number < total; number++) {
    const descriptors = hasFiles ? Array(filesOf(number)).fill(0) : []
    const hasRoom = socket.send(messageOf(number), { to, descriptors }, sender.settle(number))
    if (!hasRoom) await Promise.race([once(socket, 'drain'), closed])
  }
  await socket.close()
  const dropped = sender.outcomes.filter(outcome => outcome === 'ERR_MESSAGE_DROPPED').length
  if (dropped !== socket.dropped)
    sender.broken.push(`${sender.name}: ${socket.dropped} of ${dropped} dropped`)
}

/** Sends by a socket of `udsock/dgram`, with callbacks. */
async function sendAllAsUnixDgram(sender, socket, to) {
  const called = Array.from({ length: total }, (_, number) => {
    const settle = sender.settle(number)
    return new Promise(resolve => {
      const callback = error => {
        settle(error)
        resolve()
      }
      const message = messageOf(number)
      if (to === undefined) socket.send(message, callback)
      else socket.send(message, 0, message.length, to, callback)
    })
  })
  await Promise.all(called)
  socket.close()
}

/** The same without callbacks: a message that meets 'congestion' is sent again after 'writable'. */
async function sendWhenWritable(sender, socket) {
  let outcome
  const closed = once(socket, 'close')
  socket.on('congestion', () => (outcome = 'congested'))
  socket.on('error', ({ code }) => (outcome = code))
  for (let number = 0; number < total;) {
    outcome = 'sent'
    socket.send(messageOf(number))
    if (outcome === 'congested') await Promise.race([once(socket, 'writable'), closed])
    else sender.outcomes[number++] = outcome
  }
  socket.close()
}

function unixDgram(path, to) {
  const socket = createSocket('unix_dgram')
  socket.on('error', () => {})
  socket.bind(path)
  if (to !== undefined) socket.connect(to)
  return socket
}

let rounds = 0

await twoRounds(async () => {
  const folder = join(home, `${rounds++}-`)
  const options = { highWaterMark: 20_000, unlinkOnClose: true }
  const bound = (name, more) => bindDatagram(folder + name, { ...options, ...more })
  const plain = new Receiver(await bound('plain', { credentials: true }), true)
  const filed = new Receiver(await bound('filed', { credentials: true, receiveDescriptors: 7 }), true)
  const [one, other] = socketpair({ type: 'datagram', highWaterMark: 20_000 })
  const paired = new Receiver(other, false)
  const senders = []
  const work = []
  const add = (name, receiver, start, { hasPath = true, hasFiles = false } = {}) => {
    const sender = new Sender(name, receiver, hasPath ? folder + name : undefined)
    senders.push({ sender, hasFiles })
    work.push(() => start(sender))
  }

  for (const [receiver, hasFiles] of [
    [plain, false],
    [filed, true],
  ]) {
    const { path } = receiver.socket
    const which = hasFiles ? 'filed' : 'plain'
    const addressed = await bound(`${which}-addressed`)
    add(`${which}-addressed`, receiver, sender => sendAll(sender, addressed, { to: path, hasFiles }), {
      hasFiles,
    })
    const connected = await bound(`${which}-connected`)
    await connected.connect(path)
    add(`${which}-connected`, receiver, sender => sendAll(sender, connected, { hasFiles }), { hasFiles })
  }
  const dropping = await bound('dropping', { whenFull: 'drop' })
  add('dropping', plain, sender => sendAll(sender, dropping, { to: plain.socket.path }))
  add('pair', paired, sender => sendAll(sender, one, {}), { hasPath: false })
  for (const name of ['dgram-connected', 'dgram-addressed', 'dgram-writable']) {
    const { path } = plain.socket
    const isAddressed = name === 'dgram-addressed'
    const socket = unixDgram(folder + name, isAddressed ? undefined : path)
    add(name, plain, sender =>
      name === 'dgram-writable'
        ? sendWhenWritable(sender, socket)
        : sendAllAsUnixDgram(sender, socket, isAddressed ? path : undefined),
    )
  }

  // A receiver may fail as soon as something arrives.
  await Promise.all(work.map(start => start()))
  const receivers = [plain, filed, paired]
  const areAllThere = () =>
    senders.every(
      ({ sender }) => sender.receiver.socket.closed || sender.received.length >= sender.sent.length,
    )
  for (const deadline = Date.now() + 20_000; !areAllThere() && Date.now() < deadline;) await sleep(5)
  // What comes twice may come last.
  await sleep(30)
  const broken = senders.flatMap(({ sender, hasFiles }) => sender.check(hasFiles))
  const counts = Object.fromEntries(senders.map(({ sender }) => [sender.name, sender.received.length]))
  const codes = new Set(senders.flatMap(({ sender }) => sender.outcomes))
  await Promise.all(receivers.map(({ socket }) => socket.close()))
  return {
    errors: receivers.flatMap(({ errors }) => errors),
    codes: [...codes].filter(code => code !== 'sent'),
    counts,
    broken: [...broken, ...receivers.flatMap(receiver => receiver.broken.slice(0, 3))],
  }
})
