import { type Socket } from 'node:net'
import { withFakeTimers } from '../helpers/fake-timers.js'
import { closed, compare, once } from './helpers.js'

compare('under fake timers a connection is made, carries bytes, ends and closes', world =>
  withFakeTimers(async () => {
    let gone: Promise<unknown> | undefined
    const server = await world.serve({}, accepted => {
      world.follow('accepted', accepted, ['end', 'finish', 'close'])
      gone = closed(accepted)
      accepted.on('data', data => accepted.write(data))
    })
    const client = world.net.connect(world.path, () => {
      world.note('client', 'callback')
      client.write('hello', () => world.note('client', 'written'))
    })
    world.follow('client', client, ['connect', 'end', 'finish', 'close'])
    client.on('data', data => {
      world.note('client', data)
      client.end()
    })
    await closed(client)
    await closed(server.close())
    await gone
  }),
)

compare('under fake timers a connection fails, and a socket is destroyed', world =>
  withFakeTimers(async () => {
    await closed(world.follow('missing', world.net.connect(`${world.path}-none`)))
    await world.serve({}, accepted => accepted.resume())
    const client = world.follow('destroyed', world.net.connect(world.path))
    await once(client, 'connect')
    await closed(client.destroy())
    const again = world.follow('again', client.connect(world.path), [])
    await once(again, 'connect')
    again.connect(world.path).on('error', error => world.note('again', error))
    await closed(again)
  }),
)

compare('under fake timers setTimeout() keeps real time', world =>
  withFakeTimers(async () => {
    const { client } = await world.pair()
    client.setTimeout(20, () => world.note('client', 'timeout', client.timeout))
    await once(client, 'timeout')
    client.setTimeout(0)
  }),
)

compare('under fake timers a server accepts more than one turn takes', world =>
  withFakeTimers(async () => {
    let connections = 0
    const server = await world.serve({}, accepted => {
      connections++
      accepted.resume()
    })
    const clients: Socket[] = []
    for (let index = 0; index < 200; index++) clients.push(world.net.connect(world.path))
    await Promise.all(clients.map(client => once(client, 'connect')))
    while (connections < clients.length) await once(server, 'connection')
    world.note('connections', connections)
    for (const client of clients) client.destroy()
    await Promise.all(clients.map(client => once(client, 'close')))
  }),
)
