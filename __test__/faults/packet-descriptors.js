// Records with descriptors while system calls fail. Usage: packet-descriptors.js RULES SEED.
import { socketpair } from '../../index.js'
import { errorsOf, filesOf, twoRounds } from './rounds.js'

const total = 600

await twoRounds(async () => {
  const pair = socketpair({ type: 'seqpacket', receiveDescriptors: 7, highWaterMark: 20_000 })
  const [one, other] = pair
  const errors = errorsOf(pair)
  const broken = []
  let arrived = 0
  other.on('message', (message, info) => {
    const number = arrived++
    if (message.length !== number % 900 || info.descriptors.length !== filesOf(number))
      broken.push(`record ${number}`)
    for (const descriptor of info.descriptors) descriptor.close()
  })
  const closed = new Promise(resolve => other.once('close', resolve))
  for (let number = 0; number < total && errors.length === 0; number++)
    await one
      .sendAndWait(Buffer.alloc(number % 900), { descriptors: Array(filesOf(number)).fill(0) })
      .catch(({ code }) => errors.push(code))
  one.end()
  if (errors.length > 0) other.destroy()
  await closed
  one.destroy()
  if (errors.length === 0 && arrived !== total) broken.push(`${arrived} of ${total} records`)
  return { errors, counts: [arrived], broken }
})
