// The first import, because it chooses the addon.
import { panicIn, panicked } from './addon.js'

import test from 'ava'
import { INTERNAL } from '../../dist/internal/native.js'
import { macros, one, questions, raw, reactor } from '../binding/natives.js'

/** Functions whose place of a panic has another name than they have. */
const places: Record<string, string> = {
  'raw connect': 'try_connect',
  'macros adoptConnection': 'adopt',
  'macros peerAddress': 'address',
  'macros localAddress': 'address',
}
const placeOf = (kind: string, name: string): string =>
  places[`${kind} ${name}`] ?? name.replaceAll(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)

const panicking = {
  raw: Object.entries(raw),
  // It makes functions, and does no work.
  macros: Object.entries(macros).filter(([name]) => name !== 'functions'),
}

for (const [kind, cases] of Object.entries(panicking))
  for (const [name, { args }] of cases)
    test.serial(`a panic in the native function ${name} is its result (${kind})`, t => {
      const object = reactor()[kind as 'raw' | 'macros']
      panicIn(placeOf(kind, name))
      t.is(object[name]!(...args), INTERNAL)
      t.true(panicked(), 'the panic has happened')
      t.not(object[name]!(...args), INTERNAL)
    })

test.serial('a panic in a question is the answer for no socket', t => {
  const { macros: object } = reactor()
  for (const [name, answer] of Object.entries(questions)) {
    panicIn(placeOf('macros', name))
    t.deepEqual(object[name]!(one), answer, name)
    t.true(panicked(), name)
  }
})

test.serial('a panic while a pair is made is its result', t => {
  panicIn('pair')
  t.deepEqual(reactor().macros['pair']!(false, 0), [INTERNAL])
  t.true(panicked())
})

test('every native function has a test of its panic', t => {
  const { macros: object, raw: functions } = reactor()
  t.deepEqual(Object.keys(functions).toSorted(), Object.keys(raw).toSorted())
  const names = Object.getOwnPropertyNames(Object.getPrototypeOf(object))
  const tested = [...Object.keys(macros), ...Object.keys(questions), 'pair']
  // The constructor's panics are tested in workers; `waker` is a constant.
  t.deepEqual(names.toSorted(), ['constructor', 'waker', ...tested].toSorted())
})
