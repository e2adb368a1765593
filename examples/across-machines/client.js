// Sends requests without a pause, and reports which backend answers: `node examples/across-machines/client.js DIRECTORY/edge/edge.sock`
import { randomUUID } from 'node:crypto'
import { Agent, request } from 'node:http'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { connect } from 'udsock'

/** Goes on asking, GET and POST in turns, `concurrent` requests at a time, until it is stopped. */
export class Load {
  /** Every request that is over: { method, order, began, backend }, and `error` if it failed; `began` is of performance.now(). */
  results = []
  #agent
  #asked = 0
  #stopped = false
  #loops

  constructor(path, concurrent) {
    this.#agent = Object.assign(new Agent({ keepAlive: true, maxSockets: concurrent }), {
      createConnection: (_options, callback) => {
        void connect(path).then(socket => callback(null, socket), callback)
      },
    })
    this.#loops = Array.from({ length: concurrent }, () => this.#loop())
  }

  /** Resolves when every request that has begun is over. */
  async stop() {
    this.#stopped = true
    await Promise.all(this.#loops)
    this.#agent.destroy()
  }

  async #loop() {
    while (!this.#stopped) {
      const method = ++this.#asked % 2 === 0 ? 'GET' : 'POST'
      const order = method === 'POST' ? randomUUID() : ''
      const result = { method, order, began: performance.now() }
      try {
        result.backend = await this.#ask(result)
      } catch (error) {
        result.error = error.message
      }
      this.results.push(result)
    }
  }

  async #ask({ method, order }) {
    const path = `/${this.#asked}`
    const response = await new Promise((resolve, reject) => {
      request({ agent: this.#agent, path, method }, resolve).on('error', reject).end(order)
    })
    const body = await text(response)
    if (response.statusCode !== 200) throw new Error(`status ${response.statusCode}`)
    if (body !== `${method} ${path} ${order}`) throw new Error(`the wrong answer: ${body}`)
    return response.headers.backend
  }
}

function summary(results) {
  const counts = {}
  for (const { backend, error } of results) {
    const outcome = error ?? `answered by ${backend}`
    counts[outcome] = (counts[outcome] ?? 0) + 1
  }
  return counts
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const load = new Load(process.argv[2] ?? 'machines/edge/edge.sock', 16)
  setInterval(() => console.log(summary(load.results.splice(0))), 1000)
}
