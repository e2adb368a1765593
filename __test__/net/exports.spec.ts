import { createRequire } from 'node:module'
import nodeNet from 'node:net'
import test from 'ava'
import ourNet, * as named from '../../net.js'
import { compare } from './helpers.js'

const shared = [
  'isIP',
  'isIPv4',
  'isIPv6',
  'BlockList',
  'SocketAddress',
  'getDefaultAutoSelectFamily',
  'setDefaultAutoSelectFamily',
  'getDefaultAutoSelectFamilyAttemptTimeout',
  'setDefaultAutoSelectFamilyAttemptTimeout',
] as const

for (const name of shared)
  test(`${name} is node:net's own`, t => {
    t.is(ourNet[name], nodeNet[name] as never)
    t.is(named[name], nodeNet[name] as never)
  })

test('everything that node:net exports is exported, but what is internal to it', t => {
  const internal = new Set([
    '_createServerHandle',
    '_setSimultaneousAccepts',
    '_TransferredBoundSocket',
    'BoundSocket',
  ])
  const missing = Object.keys(nodeNet).filter(name => !(name in ourNet) && !internal.has(name))
  t.deepEqual(missing, [])
})

test('the default export and the named ones are the same, under import and require', t => {
  const { default: whole, ...all } = named
  const required = createRequire(import.meta.url)('../../net.js') as typeof named
  for (const [name, value] of Object.entries(whole)) {
    t.is((all as Record<string, unknown>)[name], value)
    t.is((required as Record<string, unknown>)[name], value)
  }
})

compare('connect and createConnection, Socket and Stream are one', world => {
  const { connect, createConnection, Socket } = world.net
  world.note(
    'is',
    connect === createConnection,
    (world.net as unknown as { Stream: unknown }).Stream === Socket,
  )
  world.note('is', typeof Socket, typeof world.net.Server, typeof world.net.createServer)
})

type Normalize = (args: unknown[]) => [unknown, unknown]

const forms: Record<string, unknown[]> = {
  nothing: [],
  'a path': ['/path'],
  'a path and a callback': ['/path', () => {}],
  'a path, a backlog and a callback': ['/path', 5, () => {}],
  'a number': [80],
  'a number that is text': ['80'],
  'a number and a host': [80, 'host'],
  'a number, a host and a callback': [80, 'host', () => {}],
  options: [{ path: '/path', backlog: 1 }],
  'options and a callback': [{ path: '/path' }, () => {}],
  'a callback': [() => {}],
  null: [null],
  undefined: [undefined],
  true: [true],
  'an empty text': [''],
}

for (const [title, args] of Object.entries(forms))
  compare(`_normalizeArgs: ${title}`, world => {
    const [options, callback] = (world.net as unknown as { _normalizeArgs: Normalize })._normalizeArgs(args)
    world.note('arguments', Object.keys(options as object), options, callback)
  })
