import test from 'ava'
import { socketpair } from '../../index.js'
import { eventually } from '../helpers/sockets.js'
import { collector, leavesNoDescriptors } from '../helpers/streams.js'

const collect = collector()

leavesNoDescriptors(test)

test.serial('a sender that always has messages under way keeps no callback that was called', async t => {
  const [one, other] = socketpair({ type: 'datagram' })
  other.resume()
  const count = 5000
  const callbacks: WeakRef<() => void>[] = []
  let called = 0
  let kept: number | undefined
  const send = (): void => {
    const callback = (): void => {
      if (++called < count) {
        send()
      } else if (called === count) {
        // Another message is under way.
        collect()
        kept = callbacks.slice(0, count / 2).filter(reference => reference.deref() !== undefined).length
      }
    }
    callbacks.push(new WeakRef(callback))
    one.send('x', callback)
  }
  send()
  send()
  await eventually('all are called', () => called === count + 1)
  // A runtime may take a number on the stack for a reference.
  t.true(kept! < 50, `${kept} are kept`)
  one.destroy()
  other.destroy()
})
