import test from 'ava'
import { eventually } from '../helpers/sockets.js'
import { start } from '../helpers/program.js'
import { leavesNoDescriptors } from '../helpers/streams.js'
import { boundSocket, recorded } from './helpers.js'

leavesNoDescriptors(test)

const sent: Record<string, [title: string, messages: string[]]> = {
  exit: ['what was sent before process.exit() arrives', ['connected', 'by path']],
  worker: ['worker threads send by both interfaces, and end by themselves', Array(4).fill('from a worker')],
  unref: ['neither an idle socket nor one without a reference keeps the process alive', ['it ends']],
}

for (const [how, [title, messages]] of Object.entries(sent))
  test(title, async t => {
    const server = await boundSocket(t)
    const events = recorded(server)
    const { code, errors } = await start(t, 'datagram-process.js', [String(server.path), how]).ended
    t.deepEqual([code, errors], [0, ''])
    await eventually('everything arrives', () => events.length === messages.length)
    t.deepEqual(events, messages)
  })
