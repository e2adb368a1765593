// MQTT: a client over net, and a broker on a server of net.
import { Aedes } from 'aedes'
import mqtt from 'mqtt'
import net from 'node:net'
import { cases, once } from '../cases.js'

async function serving(run) {
  const broker = await Aedes.createBroker()
  const server = run.keep(net.createServer(broker.handle))
  run.defer(() => new Promise(resolve => broker.close(resolve)))
  await once(server.listen(0), 'listening')
  return { broker, server, url: `mqtt://localhost:${server.address().port}` }
}

async function connected(run, url, options) {
  const client = mqtt.connect(url, { reconnectPeriod: 0, ...options })
  run.defer(() => client.endAsync(true))
  await once(client, 'connect')
  return client
}

const received = client =>
  new Promise(resolve => client.once('message', (topic, payload) => resolve([topic, payload])))

await cases({
  'publish and subscribe, at every quality': async run => {
    const { url } = await serving(run)
    const [one, two] = [await connected(run, url), await connected(run, url)]
    await two.subscribeAsync('a/#', { qos: 2 })
    for (const qos of [0, 1, 2]) {
      const message = received(two)
      await one.publishAsync(`a/${qos}`, `quality ${qos}`, { qos })
      const [topic, payload] = await message
      run.note(topic, payload.toString())
    }
  },
  'a large payload': async run => {
    const { url } = await serving(run)
    const client = await connected(run, url)
    await client.subscribeAsync('large')
    const message = received(client)
    const sent = Buffer.alloc(2 << 20, '0123456789')
    await client.publishAsync('large', sent)
    return (await message)[1].equals(sent)
  },
  'two thousand messages in order': async run => {
    const { url } = await serving(run)
    const client = await connected(run, url)
    await client.subscribeAsync('n')
    const numbers = []
    const all = new Promise(resolve => {
      client.on('message', (_topic, payload) => {
        numbers.push(Number(payload))
        if (numbers.length === 2_000) resolve()
      })
    })
    for (let number = 0; number < 2_000; number++) client.publish('n', String(number))
    await all
    return numbers.every((number, index) => number === index)
  },
  'a will after a connection that breaks': async run => {
    const { url } = await serving(run)
    const watcher = await connected(run, url)
    await watcher.subscribeAsync('will')
    const message = received(watcher)
    const client = await connected(run, url, {
      will: { topic: 'will', payload: 'gone', qos: 0, retain: false },
    })
    client.stream.destroy()
    return (await message)[1].toString()
  },
  'a client connects again': async run => {
    const { broker, url } = await serving(run)
    const client = await connected(run, url, { reconnectPeriod: 20 })
    const again = once(client, 'connect')
    for (const connection of Object.values(broker.clients)) connection.conn.destroy()
    await again
    return client.connected
  },
  'keepalive pings': async run => {
    const { url } = await serving(run)
    const client = await connected(run, url, { keepalive: 1 })
    const packet = await new Promise(resolve =>
      client.on('packetreceive', ({ cmd }) => {
        if (cmd === 'pingresp') resolve(cmd)
      }),
    )
    return packet
  },
})
