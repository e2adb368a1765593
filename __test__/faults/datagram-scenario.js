// What programs do with sockets for datagrams: they are made in every way, connected, used and closed. A ledger records everything.
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { bindDatagram, socketpair } from '../../index.js'
import { createSocket } from '../../dgram.js'

/** One run. */
class Run {
  #ledger
  /** The sockets that were made, with a promise of their end. */
  #sockets = []

  constructor(ledger) {
    this.#ledger = ledger
  }

  /** Resolves with what `work` makes; undefined if that fails. */
  async attempt(what, work) {
    try {
      const result = await work()
      this.#ledger.exact++
      return result
    } catch (error) {
      this.#ledger.fail(what, error)
      return undefined
    }
  }

  /** The same for a socket. */
  async opened(what, work) {
    const socket = await this.attempt(what, work)
    if (socket !== undefined) this.use(socket, what)
    return socket
  }

  use(socket, what) {
    // A failure of the socket is an event.
    socket.on('error', error => this.#ledger.fail(`${what} later`, error))
    socket.on('message', (_message, info) => {
      for (const descriptor of info.descriptors) descriptor.close()
    })
    this.#track(socket)
  }

  #track(socket) {
    const closed = new Promise(resolve => socket.once('close', resolve))
    this.#sockets.push({ socket, closed })
  }

  /** Sends a message, and waits for it unless one of both sockets reports an error. */
  async exchange(from, options, to) {
    if (from === undefined || to === undefined) return
    const events = new AbortController()
    const arrived = once(to, 'message', { signal: events.signal }).catch(() => {})
    const failed = [to, from].map(socket => new Promise(resolve => socket.once('error', resolve)))
    const sent = await this.attempt('send', async () => {
      await from.sendAndWait('a message', options)
      return true
    })
    if (sent) await this.#ledger.inTime('a message', Promise.race([arrived, ...failed]))
    events.abort()
  }

  /** The same by two sockets of `udsock/dgram`. */
  async exchangeAsUnixDgram(path) {
    const report = error => this.#ledger.fail('udsock/dgram', error)
    const made = () => {
      const socket = createSocket('unix_dgram').on('error', report)
      this.#track(socket)
      return socket
    }
    const [server, client] = [made(), made()]
    let isListening = false
    let isConnected = false
    server.on('listening', () => (isListening = true))
    client.on('connect', () => (isConnected = true))
    server.bind(path)
    if (isListening) client.connect(path)
    if (isConnected) {
      const arrived = once(server, 'message').catch(() => {})
      const error = await new Promise(resolve => client.send('a message', resolve))
      if (error === undefined) await this.#ledger.inTime('a message', arrived)
      else report(error)
    }
    rmSync(path, { force: true })
  }

  async close() {
    for (const { socket } of this.#sockets) void socket.close()
    await this.#ledger.inTime('close', Promise.all(this.#sockets.map(({ closed }) => closed)))
  }
}

/** Does all of it at paths that begin with `path`. Resolves when it is over. */
export async function scenario(ledger, path) {
  const run = new Run(ledger)
  const options = { unlinkOnClose: true, credentials: true, receiveDescriptors: 2 }
  const bind = onExisting =>
    run.opened('bindDatagram', () => bindDatagram(path, { ...options, mode: 0o622, onExisting }))
  const server = await bind('error')
  const heir = server === undefined ? undefined : await bind('takeOver')
  const other = await run.opened('replaceStale', () =>
    bindDatagram(`${path}2`, { onExisting: 'replaceStale', unlinkOnClose: true }),
  )
  const named = await run.opened('autobind', () => bindDatagram({ autobind: true }, { credentials: true }))
  const client = await run.opened('unbound', () => bindDatagram())
  const last = heir ?? server
  if (last !== undefined && client !== undefined) {
    await run.exchange(client, { to: path, descriptors: [0] }, last)
    if (await run.attempt('connect', () => client.connect(path).then(() => true)))
      await run.exchange(client, {}, last)
    await run.attempt('disconnect', () => client.disconnect())
  }
  if (named?.path !== undefined) await run.exchange(other, { to: named.path }, named)
  const pairOptions = { type: 'datagram', credentials: true, receiveDescriptors: 2 }
  const pair = await run.attempt('socketpair', () => socketpair(pairOptions))
  for (const socket of pair ?? []) run.use(socket, 'socketpair')
  if (pair !== undefined) await run.exchange(pair[0], { descriptors: [0] }, pair[1])
  await run.attempt('udsock/dgram', () => run.exchangeAsUnixDgram(`${path}3`))
  await run.close()
}
