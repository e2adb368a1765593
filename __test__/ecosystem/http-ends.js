// Servers and clients of node:http and node:https: at least one of the two ends is ours.
import { Agent as NodeAgent } from 'node:http'
import { Agent as NodeHttpsAgent } from 'node:https'
import { connect as connectTls } from 'node:tls'
import { Agent, HttpsAgent } from '../../http.js'
import { connect } from '../../index.js'
import { createServer } from '../../net.js'
import { asText, listenerBy, listeners, sharedPlaces } from './helpers.js'

const everyListener = { ...listeners, 'a Server of udsock/net': listenerBy(createServer) }

const withConnection = (agent, createConnection) => Object.assign(agent, { createConnection })

const agents = {
  'our Agent': (path, options) => new Agent(path, options),
  'connect()': (path, options) =>
    withConnection(new NodeAgent(options), (_options, callback) => {
      void connect(path).then(socket => callback(null, socket), callback)
    }),
  'node:http': (path, options) => new NodeAgent({ ...options, socketPath: asText(path) }),
}

const secureAgents = {
  'our Agent': (path, options) => new HttpsAgent(path, options),
  'connect()': (path, options) =>
    withConnection(new NodeHttpsAgent(options), (given, callback) => {
      void connect(path).then(socket => callback(null, connectTls({ ...given, socket })), callback)
    }),
  'node:http': (path, options) => new NodeHttpsAgent({ ...options, socketPath: asText(path) }),
}

const ends = [
  ['our Agent', 'our listener'],
  ['our Agent', 'a Server of udsock/net'],
  ['our Agent', "node:net's server"],
  ['connect()', 'our listener'],
  ['connect()', 'a Server of udsock/net'],
  ['connect()', "node:net's server"],
  ['node:http', 'our listener'],
  ['node:http', 'a Server of udsock/net'],
]

/**
 * A title's end, `listenOn(t, path, take)`, `agentTo(path, options)` and `secureAgentTo(path, options)` for every pair of ends
 * and every place, or for paths alone.
 */
export function everyEnd(places = sharedPlaces) {
  return Object.entries(places).flatMap(([place, pathOf]) =>
    ends.map(([client, whose]) => ({
      title: `(${client} to ${whose}, ${place})`,
      pathOf,
      listenOn: everyListener[whose],
      agentTo: agents[client],
      secureAgentTo: secureAgents[client],
    })),
  )
}
