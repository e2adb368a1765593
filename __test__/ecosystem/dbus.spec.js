// dbus-next passes open files over a real bus. In place of the package usocket it has a face of a UnixSocket.
import { closeSync, fstatSync, openSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import test from 'ava'
import { connect } from '../../index.js'
import { leavesNoDescriptors } from '../helpers/streams.ts'
import { located, needing, ServerProgram } from './servers.js'

const programs = { 'dbus-daemon': located('dbus-daemon') }
const withBus = needing(programs)
const dbus = createRequire(import.meta.url)('dbus-next')

let server
let path

const configuration = () => `
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
  "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path=${path}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
`

test.before(async () => {
  if (programs['dbus-daemon'] === undefined) return
  server = new ServerProgram('root')
  path = join(server.directory, 's')
  const file = join(server.directory, 'bus.conf')
  writeFileSync(file, configuration())
  await server.start(
    programs['dbus-daemon'],
    [`--config-file=${file}`, '--nofork', '--nopidfile'],
    async () => {
      const socket = await connect(path)
      socket.destroy()
      return true
    },
  )
})

test.after.always(() => server?.remove('SIGKILL'))

leavesNoDescriptors(test.serial)

/** A connection to the bus, closed after the test. */
async function bus(t) {
  const connection = dbus.sessionBus({ busAddress: `unix:path=${path}`, negotiateUnixFd: true })
  t.teardown(() => connection.disconnect())
  await once(connection, 'connect')
  return connection
}

/** A service for notifications, whose images come as open files; it returns copies that it has written itself. */
class Notifications extends dbus.interface.Interface {
  #folder

  constructor(folder) {
    super('org.example.Notifications')
    this.#folder = folder
  }

  Notify(title, image) {
    const text = readFileSync(image, 'utf8')
    closeSync(image)
    return `${title}: ${text.length} characters`
  }

  Copy(image) {
    const copy = join(this.#folder, 'copy')
    writeFileSync(copy, readFileSync(image, 'utf8').toUpperCase())
    closeSync(image)
    const fd = openSync(copy, 'r')
    unlinkSync(copy)
    // The reply is sent in a later turn.
    setTimeout(() => closeSync(fd), 1000)
    return fd
  }
}

Notifications.configureMembers({
  methods: {
    Notify: { inSignature: 'sh', outSignature: 's' },
    Copy: { inSignature: 'h', outSignature: 'h' },
  },
})

/** An open file without a path. */
function opened(text) {
  const file = join(server.directory, 'image')
  writeFileSync(file, text)
  const fd = openSync(file, 'r')
  unlinkSync(file)
  return fd
}

withBus('a method takes open files, and returns one', async t => {
  t.timeout(60_000)
  const [service, client] = [await bus(t), await bus(t)]
  const name = `org.example.Notifications${process.pid}`
  service.export('/org/example', new Notifications(server.directory))
  await service.requestName(name)
  const call = async (member, signature, body) => {
    const fd = body.at(-1)
    const message = new dbus.Message({
      destination: name,
      path: '/org/example',
      interface: 'org.example.Notifications',
      member,
      signature,
      body,
    })
    const reply = await client.call(message)
    closeSync(fd)
    return reply.body[0]
  }
  for (let number = 0; number < 100; number++) {
    const answer = await call('Notify', 'sh', [`title ${number}`, opened('x'.repeat(number))])
    t.is(answer, `title ${number}: ${number} characters`)
  }
  const copy = await call('Copy', 'h', [opened('in capital letters')])
  t.true(fstatSync(copy).isFile())
  t.is(readFileSync(copy, 'utf8'), 'IN CAPITAL LETTERS')
  closeSync(copy)
})
