import test from 'ava'
import { connect, isSupported } from '../index.js'
import { everyPlace, pair, receive, receiveAll } from './helpers/sockets.js'

test('the platform is supported', t => {
  t.true(isSupported)
})

for (const place of everyPlace) {
  test(`bytes go both ways over a ${place}`, async t => {
    const { client, server } = await pair(t, place)
    client.write('ping')
    t.is(String(await receive(server, 4)), 'ping')
    server.end('pong')
    t.is(String(await receiveAll(client)), 'pong')
    t.is(typeof connect, 'function')
  })
}
