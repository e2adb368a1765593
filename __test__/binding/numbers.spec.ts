import { constants } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { directory } from '../helpers/sockets.js'
import { chunk, macros, never, odd, one, questions, raw, reactor } from './natives.js'

const { EBADF, EINVAL } = constants.errno

test('the table has every native function', t => {
  const { macros: object, raw: functions } = reactor()
  t.deepEqual(Object.keys(functions).toSorted(), Object.keys(raw).toSorted())
  const names = Object.getOwnPropertyNames(Object.getPrototypeOf(object))
  // `pair` has no number.
  const expected = ['constructor', 'waker', 'pair', ...Object.keys(macros), ...Object.keys(questions)]
  t.deepEqual(names.toSorted(), expected.toSorted())
})

for (const [kind, cases] of Object.entries({ raw, macros }))
  for (const [name, { args, numbers }] of Object.entries(cases))
    for (const [index, { refuses, errno }] of Object.entries(numbers))
      test(`${name} refuses a number that is none of its own (${kind}, argument ${index})`, t => {
        const object = reactor()[kind as 'raw' | 'macros']
        for (const value of refuses) {
          const changed = args.with(Number(index), value)
          t.is(object[name]!(...changed), -errno, `${name}(${changed.map(String).join(', ')})`)
        }
      })

test('elements of lists are refused like other numbers', t => {
  const { macros: object, raw: functions } = reactor()
  for (const value of odd) {
    t.is(functions['writev']!(one, [chunk], [value], 1, 0), -EINVAL)
    t.is(functions['writeWith']!(one, chunk, 0, 8, [value], 1), -EBADF)
    t.is(functions['writeLent']!(one, chunk, 0, 8, [value], 1), -EBADF)
    t.is(object['allow']!(one, [value], []), -EINVAL)
    t.is(object['allow']!(one, [], [value]), -EINVAL)
  }
})

test('a question about a number that names no socket has the answer for none', t => {
  const { macros: object } = reactor()
  for (const [name, answer] of Object.entries(questions))
    for (const value of never) t.deepEqual(object[name]!(value), answer, `${name}(${value})`)
})

test('a socket keeps its bytes to itself, whatever other ids are used', t => {
  const path = join(directory(t), 's')
  const { macros: object, raw: functions } = reactor()
  const listener = object['listenNow']!(Buffer.from(path), 4, false) as number
  const client = functions['connect']!(Buffer.from(path), 0, 0) as number
  const server = functions['accept']!(listener) as number
  t.true(listener >= one && client >= one && server >= one)
  for (const value of never) {
    t.is(functions['write']!(value, chunk, 0, 8), -EBADF)
    t.is(functions['shutdown']!(value, 1), -EBADF)
    t.is(functions['close']!(value), -EBADF)
  }
  t.is(functions['read']!(server, new Uint8Array(64)), -constants.errno.EAGAIN, 'no byte and no end')
  for (const own of [client, server, listener]) t.true((functions['close']!(own) as number) >= 0)
})
