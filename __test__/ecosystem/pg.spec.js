import { Socket as NodeSocket } from 'node:net'
import { join } from 'node:path'
import pg from 'pg'
import { Socket } from '../../net.js'
import test from 'ava'
import { leavesNoDescriptors, pattern } from '../helpers/streams.ts'
import { Given, located, needing, postgresFolders, ServerProgram } from './servers.js'

const programs = {
  initdb: located('initdb', postgresFolders()),
  postgres: located('postgres', postgresFolders()),
}
const withPostgres = needing(programs)
const isInstalled = withPostgres === test.serial
// PostgreSQL takes a name that begins with @ for an abstract one.
const abstractFolder = `@udsock-test-${process.pid}`
const large = pattern(10 * 1024 * 1024)
let server

leavesNoDescriptors(test.serial)

test.serial.before(async t => {
  t.timeout(120_000)
  if (!isInstalled) return
  server = new ServerProgram('postgres')
  const data = join(server.directory, 'data')
  const initial = ['-D', data, '-U', 'udsock', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync']
  await server.run(programs.initdb, initial)
  const settings = {
    listen_addresses: '',
    unix_socket_directories: `${server.directory},${abstractFolder}`,
    fsync: 'off',
    max_connections: '30',
    shared_buffers: '16MB',
  }
  const args = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  await server.start(programs.postgres, ['-D', data, ...args], async () => {
    const client = new pg.Client(config('path', new Given()))
    client.on('error', () => {})
    await client.connect()
    await client.end()
    return true
  })
})

test.serial.after.always(() => server?.remove('SIGINT'))

/** pg would make a path of every host, so the stream itself takes the abstract name. */
class AbstractSocket extends Socket {
  connect() {
    return super.connect(`\0${abstractFolder.slice(1)}/.s.PGSQL.5432`)
  }
}

const streams = { path: Socket, 'abstract name': AbstractSocket }

function config(place, given) {
  const stream = () => given.add(new streams[place]())
  return { host: server.directory, port: 5432, user: 'udsock', database: 'postgres', stream }
}

async function connected(t, place, given) {
  const client = new pg.Client(config(place, given))
  await client.connect()
  t.teardown(() => client.end())
  return client
}

for (const place of Object.keys(streams)) {
  withPostgres(`pg: queries, parameters and errors (${place})`, async t => {
    const given = new Given()
    const client = await connected(t, place, given)
    t.deepEqual((await client.query('select 1 as one')).rows, [{ one: 1 }])
    const values = [42, 'snow ☃', null, new Date(0), { a: [1] }, [1, 2]]
    const types = 'select $1::int i, $2::text s, $3::text n, $4::timestamptz d, $5::jsonb j, $6::int[] l'
    const { rows } = await client.query(types, values)
    t.deepEqual(rows, [{ i: 42, s: 'snow ☃', n: null, d: new Date(0), j: { a: [1] }, l: [1, 2] }])
    const named = { name: 'twice', text: 'select $1::int * 2 as n' }
    for (let n = 0; n < 3; n++)
      t.deepEqual((await client.query({ ...named, values: [n] })).rows, [{ n: 2 * n }])
    await t.throwsAsync(client.query('select 1 / 0'), { code: '22012' })
    await t.throwsAsync(client.query('select $1::int', ['no number']), { code: '22P02' })
    t.is((await client.query('select 2 as two')).rows[0].two, 2)
    // The kernel names the user of the server, not the owner of the directory.
    t.is(given.sockets[0].peer.pid, server.pid)
    await client.end()
    await given.allClose(t)
  })

  withPostgres(`pg: 10 MiB of binary both ways (${place})`, async t => {
    const given = new Given()
    const client = await connected(t, place, given)
    const [row] = (await client.query('select $1::bytea as b, length($1::bytea) as l', [large])).rows
    t.is(row.l, large.length)
    t.true(large.equals(row.b))
    await client.end()
    await given.allClose(t)
  })
}

// Its parser makes UTF-8 of every field, and a Buffer of that.
withPostgres("pg: results in binary are what pg makes of them, on node:net's sockets, too", async t => {
  const given = new Given()
  const ours = await connected(t, 'path', given)
  const nodes = new pg.Client({ ...config('path', given), stream: () => new NodeSocket() })
  await nodes.connect()
  for (const value of [1, 0x7f7f7f7f, 0x00a00000]) {
    const query = { text: 'select $1::int as n', values: [value], binary: true }
    const { rows } = await ours.query(query)
    t.deepEqual(rows, (await nodes.query(query)).rows)
    t.is(
      rows[0].n,
      Buffer.from(String(Buffer.from(value.toString(16).padStart(8, '0'), 'hex'))).readInt32BE(),
    )
  }
  await nodes.end()
  await ours.end()
  await given.allClose(t)
})

const isRight = (row, n) => row.n === n && row.s.length === n % 50

withPostgres('pg: many rows, at once and by a cursor', async t => {
  const given = new Given()
  const client = await connected(t, 'path', given)
  const count = 200_000
  const text = `select n, repeat('x', n % 50) as s from generate_series(0, ${count - 1}) n`
  const { rows } = await client.query(text)
  t.is(rows.length, count)
  t.true(rows.every(isRight))
  await client.query(`begin; declare c cursor for ${text}`)
  let seen = 0
  for (;;) {
    const part = await client.query('fetch 10000 from c')
    if (part.rows.length === 0) break
    t.true(part.rows.every((row, index) => isRight(row, seen + index)))
    seen += part.rows.length
  }
  t.is(seen, count)
  await client.query('commit')
  await client.end()
  await given.allClose(t)
})

/** A COPY as pg's Client takes it: an object that speaks the protocol. Source: PostgreSQL's manual, "COPY Operations". */
class Copy {
  constructor(text, lines = []) {
    this.text = text
    this.lines = lines
    this.copied = []
    this.done = new Promise((resolve, reject) => Object.assign(this, { resolve, reject }))
  }

  submit(connection) {
    connection.query(this.text)
  }

  handleCopyInResponse(connection) {
    for (const line of this.lines) connection.sendCopyFromChunk(line)
    connection.endCopyFrom()
  }

  handleCopyData({ chunk }) {
    this.copied.push(Buffer.from(chunk))
  }

  handleCommandComplete({ text }) {
    this.tag = text
  }

  handleError(error) {
    this.reject(error)
  }

  handleReadyForQuery() {
    this.resolve(this)
  }
}

withPostgres('pg: COPY in and out', async t => {
  const given = new Given()
  const client = await connected(t, 'path', given)
  await client.query('create temporary table copied (n int, s text)')
  const lines = Array.from({ length: 100_000 }, (_, n) => Buffer.from(`${n}\tline ${n}\n`))
  const { tag } = await client.query(new Copy('copy copied from stdin', lines)).done
  t.is(tag, 'COPY 100000')
  const { copied } = await client.query(new Copy('copy (select * from copied order by n) to stdout')).done
  t.true(Buffer.concat(copied).equals(Buffer.concat(lines)))
  await t.throwsAsync(client.query(new Copy('copy nothing from stdin')).done, { code: '42P01' })
  await client.end()
  await given.allClose(t)
})

withPostgres('pg: a query is cancelled', async t => {
  const given = new Given()
  const client = await connected(t, 'path', given)
  const query = new pg.Query('select pg_sleep(600)')
  const failed = new Promise(resolve => query.once('error', resolve))
  client.query(query)
  const other = await connected(t, 'path', given)
  const isRunning = async () => {
    const text = "select from pg_stat_activity where pid = $1 and wait_event = 'PgSleep'"
    return (await other.query(text, [client.processID])).rowCount === 1
  }
  while (!(await isRunning()));
  new pg.Client(config('path', given)).cancel(client, query)
  t.is((await failed).code, '57014')
  t.is((await client.query('select 3 as three')).rows[0].three, 3)
  await client.end()
  await other.end()
  await given.allClose(t)
})

withPostgres('pg: a Pool of 10 with 1,000 queries', async t => {
  const given = new Given()
  const pool = new pg.Pool({ ...config('path', given), max: 10 })
  const queries = Array.from({ length: 1000 }, (_, n) => pool.query('select $1::int as n', [n]))
  const results = await Promise.all(queries)
  t.true(results.every(({ rows }, n) => rows[0].n === n))
  t.is(given.sockets.length, 10)
  t.is(pool.totalCount, 10)
  await pool.end()
  await given.allClose(t)
})

withPostgres('pg: LISTEN and NOTIFY', async t => {
  const given = new Given()
  const listening = await connected(t, 'path', given)
  const notifying = await connected(t, 'abstract name', given)
  const payloads = Array.from({ length: 500 }, (_, n) => `${n}`.padStart(n * 10, '.'))
  const heard = []
  const all = new Promise(resolve => {
    listening.on('notification', ({ payload }) => {
      if (heard.push(payload) === payloads.length) resolve()
    })
  })
  await listening.query('listen channel')
  for (const payload of payloads) await notifying.query("select pg_notify('channel', $1)", [payload])
  await all
  t.deepEqual(heard, payloads)
  await listening.end()
  await notifying.end()
  await given.allClose(t)
})

withPostgres('pg: a path without a server, and a database that is not there, are errors', async t => {
  const given = new Given()
  const nowhere = new pg.Client({ ...config('path', given), port: 1 })
  const path = join(server.directory, '.s.PGSQL.1')
  const expected = { code: 'ENOENT', message: `connect ENOENT ${path}` }
  await t.throwsAsync(nowhere.connect(), expected)
  const missing = new pg.Client({ ...config('path', given), database: 'missing' })
  await t.throwsAsync(missing.connect(), { code: '3D000' })
  await given.allClose(t)
})

withPostgres('pg: a client can be unreferenced and referenced again', async t => {
  const given = new Given()
  const client = await connected(t, 'path', given)
  client.unref()
  client.ref()
  t.is((await client.query('select 4 as four')).rows[0].four, 4)
  await client.end()
  await given.allClose(t)
})

withPostgres('pg: a connection that the server ends in the middle of a query is an error', async t => {
  const given = new Given()
  const client = await connected(t, 'path', given)
  const other = await connected(t, 'path', given)
  const errors = []
  client.on('error', error => errors.push(error.message))
  const query = t.throwsAsync(client.query('select pg_sleep(600)'), { code: '57P01' })
  const ended = new Promise(resolve => client.once('end', resolve))
  await other.query('select pg_terminate_backend($1)', [client.processID])
  await query
  await ended
  t.deepEqual(errors, ['Connection terminated unexpectedly'])
  await t.throwsAsync(client.query('select 1'))
  await other.end()
  await given.allClose(t)
})

// The last one: there is no server after it.
withPostgres('pg: a server that dies in the middle of a query is an error, not a hang', async t => {
  const given = new Given()
  const clients = [await connected(t, 'path', given), await connected(t, 'abstract name', given)]
  for (const client of clients) client.on('error', () => {})
  const queries = clients.map(client => t.throwsAsync(client.query('select pg_sleep(600)')))
  await server.stop('SIGQUIT')
  await Promise.all(queries)
  await given.allClose(t)
  const { code } = await t.throwsAsync(new pg.Client(config('path', given)).connect())
  t.true(['ENOENT', 'ECONNREFUSED'].includes(code), code)
})
