// pg opposite a real PostgreSQL.
import { dirname } from 'node:path'
import pg from 'pg'
import { cases, happened } from '../cases.js'

const host = dirname(process.env.UDSOCK_DROP_IN_SERVER)
const config = { host, port: 5432, user: 'udsock', database: 'postgres' }

async function connected(run, options) {
  const client = new pg.Client({ ...config, ...options })
  client.on('error', () => {})
  await client.connect()
  run.defer(() => client.end())
  return client
}

await cases({
  'queries, parameters and errors': async run => {
    const client = await connected(run)
    run.note((await client.query('select 1 as one, $1::text as two', ['ü€'])).rows)
    run.note(await client.query('select nonsense').catch(error => error.code))
    run.note((await client.query({ name: 'prepared', text: 'select $1::int + 1 as n', values: [41] })).rows)
  },
  'large values and many rows': async run => {
    const client = await connected(run)
    const value = 'x'.repeat(3_000_000)
    run.note((await client.query('select $1::text as v', [value])).rows[0].v === value)
    run.note((await client.query('select * from generate_series(1, 50000) as n')).rowCount)
  },
  'a thousand queries in a queue': async run => {
    const client = await connected(run)
    const all = await Promise.all(
      Array.from({ length: 1_000 }, (_, n) => client.query('select $1::int as n', [n])),
    )
    return all.every(({ rows }, n) => rows[0].n === n)
  },
  'a pool': async run => {
    const pool = new pg.Pool({ ...config, max: 5, idleTimeoutMillis: 50 })
    const all = await Promise.all(
      Array.from({ length: 100 }, (_, n) => pool.query('select $1::int as n', [n])),
    )
    run.note(
      all.every(({ rows }, n) => rows[0].n === n),
      pool.totalCount,
    )
    await happened(pool, 'remove')
    await pool.end()
    run.note(pool.totalCount)
  },
  'LISTEN and NOTIFY': async run => {
    const [one, two] = [await connected(run), await connected(run)]
    await two.query('listen news')
    const notice = happened(two, 'notification')
    await one.query("notify news, 'payload'")
    return (await notice).payload
  },
  'timeouts of statements and queries': async run => {
    const client = await connected(run, { statement_timeout: 60 })
    run.note(await client.query('select pg_sleep(5)').catch(error => error.code))
    const other = await connected(run, { query_timeout: 60 })
    run.note(await other.query('select pg_sleep(0.2)').catch(error => error.message))
  },
  'a connection that the server ends': async run => {
    const [one, two] = [await connected(run), await connected(run)]
    const ended = happened(two, 'end')
    const failed = two.query('select pg_sleep(20)').catch(error => error.code)
    await one.query('select pg_terminate_backend($1)', [two.processID])
    run.note(await failed)
    await ended
  },
  'a server that is not there, and one that says no': async run => {
    const missing = new pg.Client({ ...config, host: run.directory })
    run.note(await missing.connect().catch(error => error.code))
    const refused = new pg.Client({ ...config, database: 'missing' })
    run.note(await refused.connect().catch(error => error.code))
  },
  'transactions, and events of a client': async run => {
    const client = await connected(run)
    await client.query('create temporary table t (n int)')
    await client.query('begin')
    await client.query('insert into t values (1)')
    await client.query('rollback')
    run.note((await client.query('select * from t')).rowCount)
    const other = run.follow('client', new pg.Client(config), ['connect', 'end', 'error'])
    await other.connect()
    await other.end()
  },
})
