// HTTP requests as programs make them, by node:http with an agent or by undici, to a server of node:http. Both ends are the
// transport's; as many connections as requests in flight.
import { createServer, get } from 'node:http'
import { library } from './libraries.js'
import { asking } from './round-trips.js'

const body = 'hello world'

/** Server side. */
export const helloServer = () => createServer((_, response) => response.end(body))

const checked = text => {
  if (text !== body) throw new Error(`not the expected answer: ${text}`)
  return text.length
}

export const httpRequests =
  inFlight =>
  async ({ ends, address }) => {
    const options = ends.http(address, { keepAlive: true, maxSockets: inFlight, maxFreeSockets: inFlight })
    const ask = () =>
      new Promise((resolve, reject) => {
        const take = response => {
          let text = ''
          response.setEncoding('utf8')
          response.on('data', chunk => void (text += chunk))
          response.on('end', () => resolve(checked(text)))
        }
        get(options, take).on('error', reject)
      })
    return asking(ask, inFlight, async () => options.agent.destroy())
  }

export const undici =
  inFlight =>
  async ({ ends, address }) => {
    const { Pool } = library('undici')
    const pool = new Pool('http://localhost', { connections: inFlight, ...ends.undici(address) })
    const ask = async () => {
      const response = await pool.request({ path: '/', method: 'GET' })
      return checked(await response.body.text())
    }
    return asking(ask, inFlight, () => pool.close())
  }

/** `fetch()` of `udsock/http`; for node:net undici's, with a dispatcher whose connections go to the path. */
export const fetching =
  inFlight =>
  async ({ ends, address }) => {
    const { request, close } = ends.fetch(address, inFlight)
    const ask = async () => checked(await (await request()).text())
    return asking(ask, inFlight, close)
  }
