import { join } from 'node:path'
import test from 'ava'
import mysql from 'mysql2/promise'
import { connect } from '../../index.js'
import { connect as connectSocket } from '../../net.js'
import { leavesNoDescriptors, pattern } from '../helpers/streams.ts'
import { Given, located, needing, ServerProgram } from './servers.js'

const programs = {
  mariadbd: located('mariadbd'),
  'mariadb-install-db': located('mariadb-install-db'),
}
const withMariadb = needing(programs)
const large = pattern(10 * 1024 * 1024)
let server
let path

leavesNoDescriptors(test.serial)

test.serial.before(async t => {
  t.timeout(180_000)
  if (withMariadb !== test.serial) return
  server = new ServerProgram('mysql')
  path = join(server.directory, 's')
  const data = `--datadir=${join(server.directory, 'data')}`
  const initial = ['--auth-root-authentication-method=normal', '--skip-test-db', '--skip-name-resolve']
  await server.run(programs['mariadb-install-db'], ['--no-defaults', data, ...initial])
  const settings = [`--socket=${path}`, '--skip-networking', '--max-allowed-packet=64M']
  const light = ['--innodb-buffer-pool-size=32M', '--innodb-flush-log-at-trx-commit=0']
  await server.start(programs.mariadbd, ['--no-defaults', data, ...settings, ...light], async () => {
    const connection = await mysql.createConnection(config(new Given()))
    await connection.query('create database if not exists udsock')
    await connection.end()
    return true
  })
})

test.serial.after.always(() => server?.remove('SIGTERM'))

/** mysql2 asks for each of its connections. */
function config(given) {
  return { user: 'root', stream: () => given.add(connectSocket(path)), maxPreparedStatements: 16 }
}

async function connected(t, given, options) {
  const connection = await mysql.createConnection({ ...config(given), database: 'udsock', ...options })
  t.teardown(() => connection.destroy())
  return connection
}

withMariadb('mysql2: queries, prepared statements and errors', async t => {
  const given = new Given()
  const connection = await connected(t, given)
  t.deepEqual((await connection.query('select 1 as one'))[0], [{ one: 1 }])
  t.deepEqual((await connection.query('select ? as s, ? as n', ['snow ☃', null]))[0], [
    { s: 'snow ☃', n: null },
  ])
  for (let n = 0; n < 100; n++)
    t.deepEqual((await connection.execute('select ? + 1 as n', [n]))[0], [{ n: n + 1 }])
  await t.throwsAsync(connection.query('select from'), { code: 'ER_PARSE_ERROR' })
  await t.throwsAsync(connection.execute('select * from missing'), { code: 'ER_NO_SUCH_TABLE' })
  t.deepEqual((await connection.query('select 2 as two'))[0], [{ two: 2 }])
  t.is(given.sockets[0].peer.pid, server.pid)
  await connection.end()
  await given.allClose(t)
})

withMariadb('mysql2: on a UnixSocket, which is connected before', async t => {
  const given = new Given()
  // mysql2 leaves it to the socket to follow the server's end.
  const stream = given.add(await connect(path, { allowHalfOpen: false }))
  const connection = await connected(t, given, { stream })
  t.deepEqual((await connection.query('select 3 as three'))[0], [{ three: 3 }])
  await connection.end()
  await given.allClose(t)
})

withMariadb('mysql2: a blob of 10 MiB both ways, as text and as binary, plain and compressed', async t => {
  const given = new Given()
  for (const compress of [false, true]) {
    const connection = await connected(t, given, { compress })
    await connection.query('create or replace table blobs (id int primary key, b longblob)')
    await connection.query('insert into blobs values (1, ?)', [large])
    await connection.execute('insert into blobs values (2, ?)', [large])
    for (const read of ['query', 'execute']) {
      const [rows] = await connection[read]('select b from blobs order by id')
      t.is(rows.length, 2)
      t.true(rows.every(({ b }) => large.equals(b)))
    }
    await connection.end()
  }
  await given.allClose(t)
})

withMariadb('mysql2: a pool of 10 with 1,000 queries', async t => {
  const given = new Given()
  const pool = mysql.createPool({ ...config(given), connectionLimit: 10 })
  const queries = Array.from({ length: 1000 }, (_, n) => pool.execute('select ? as n', [n]))
  const results = await Promise.all(queries)
  t.true(results.every(([[row]], n) => row.n === n))
  t.is(given.sockets.length, 10)
  await pool.end()
  await given.allClose(t)
})

withMariadb('mysql2: rows as a stream, read slowly', async t => {
  const given = new Given()
  const connection = await connected(t, given)
  const count = 100_000
  const text = `select seq, repeat('x', seq mod 300) as s from seq_0_to_${count - 1}`
  const rows = connection.connection.query(text).stream({ highWaterMark: 16 })
  let seen = 0
  let isRight = true
  for await (const { seq, s } of rows) {
    isRight &&= seq === seen && s.length === seq % 300
    // Long enough for the socket to be paused.
    if (seen % 10_000 === 0) await new Promise(resolve => setTimeout(resolve, 20))
    seen++
  }
  t.is(seen, count)
  t.true(isRight)
  await connection.end()
  await given.allClose(t)
})

withMariadb('mysql2: transactions', async t => {
  const given = new Given()
  const [writer, reader] = [await connected(t, given), await connected(t, given)]
  await writer.query('create or replace table items (n int) engine innodb')
  const count = async () => (await reader.query('select count(*) as c from items'))[0][0].c
  await writer.beginTransaction()
  await writer.query('insert into items values ?', [Array.from({ length: 1000 }, (_, n) => [n])])
  t.is(await count(), 0)
  await writer.commit()
  t.is(await count(), 1000)
  await writer.beginTransaction()
  await writer.query('delete from items')
  await writer.rollback()
  t.is(await count(), 1000)
  await Promise.all([writer.end(), reader.end()])
  await given.allClose(t)
})

withMariadb('mysql2: a connection that the server ends in the middle of a query is an error', async t => {
  const given = new Given()
  const [connection, other] = [await connected(t, given), await connected(t, given)]
  const query = t.throwsAsync(connection.query('select sleep(600)'), { code: 'PROTOCOL_CONNECTION_LOST' })
  await other.query(`kill ${connection.threadId}`)
  await query
  await other.end()
  await given.allClose(t)
})

withMariadb('mysql2: a path without a server is an error', async t => {
  const given = new Given()
  const stream = () => given.add(connectSocket(`${path}-missing`))
  await t.throwsAsync(mysql.createConnection({ user: 'root', stream }), { code: 'ENOENT' })
  await given.allClose(t)
})

// The last one: there is no server after it.
withMariadb('mysql2: a server that dies in the middle of a query is an error, not a hang', async t => {
  const given = new Given()
  const connection = await connected(t, given)
  const query = t.throwsAsync(connection.query('select sleep(600)'))
  await server.stop('SIGKILL')
  // A reset if the server had not read all of the query.
  const { code } = await query
  t.true(['PROTOCOL_CONNECTION_LOST', 'ECONNRESET'].includes(code), code)
  await given.allClose(t)
})
