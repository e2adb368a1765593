// Requests and responses over FramedSocket, many at a time on one connection: `node examples/request-response.js [path]`
import { connect, FramedSocket, listen } from 'udsock'

const path = process.argv[2] ?? 'requests.sock'

/** Sends requests, and resolves each with the response that has its number. */
class Client {
  #messages
  #pending = new Map()
  #next = 1

  constructor(socket) {
    this.#messages = new FramedSocket(socket)
    this.#messages.on('message', message => {
      const { id, result, error } = JSON.parse(String(message))
      const pending = this.#pending.get(id)
      this.#pending.delete(id)
      if (error === undefined) pending?.resolve(result)
      else pending?.reject(new Error(error))
    })
    this.#messages.on('error', error => this.#fail(error))
    this.#messages.on('close', () => this.#fail(new Error('the connection is closed')))
  }

  request(method, ...params) {
    const id = this.#next++
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject })
      this.#messages.send(JSON.stringify({ id, method, params }))
    })
  }

  close() {
    this.#messages.end()
  }

  #fail(error) {
    for (const { reject } of this.#pending.values()) reject(error)
    this.#pending.clear()
  }
}

const methods = {
  add: (a, b) => a + b,
  async later(milliseconds) {
    await new Promise(resolve => setTimeout(resolve, milliseconds))
    return `after ${milliseconds} ms`
  },
}

function serve(socket) {
  const messages = new FramedSocket(socket, { maxMessageLength: 64 * 1024 })
  messages.on('error', error => console.error(error.message))
  // The returned promise lets the socket end itself only after the last answer.
  messages.on('message', async message => {
    const { id, method, params } = JSON.parse(String(message))
    try {
      if (!Object.hasOwn(methods, method)) throw new Error(`there is no method ${method}`)
      messages.send(JSON.stringify({ id, result: await methods[method](...params) }))
    } catch (error) {
      messages.send(JSON.stringify({ id, error: error.message }))
    }
  })
}

const listener = await listen(path, { mode: 0o600, onExisting: 'replaceStale', unlinkOnClose: true })
const serving = (async () => {
  for await (const socket of listener) serve(socket)
})()

const client = new Client(await connect(path, { timeout: 1000 }))
const slow = client.request('later', 50)
console.log(await client.request('add', 1, 2))
console.log(await client.request('unknown').catch(error => error.message))
console.log(await slow)
client.close()

await listener.close()
await serving
