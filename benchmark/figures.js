// The figures of workloads: `read` takes a client's result; `better` is 'higher' or 'lower'.

export const KiB = 1024
export const MiB = 1024 * KiB
const GiB = 1024 * MiB

export const p50 = { name: 'p50', unit: 'µs', better: 'lower', read: result => result.latency.p50 }
export const p99 = { name: 'p99', unit: 'µs', better: 'lower', read: result => result.latency.p99 }
export const rate = unit => ({
  name: 'rate',
  unit,
  better: 'higher',
  read: result => result.operations / result.seconds,
})
export const throughput = size => ({
  name: 'throughput',
  unit: 'GiB/s',
  better: 'higher',
  read: result => (result.operations * size) / GiB / result.seconds,
})
export const perOperation = {
  name: 'CPU',
  unit: 'µs/op',
  better: 'lower',
  read: result => result.cpu / result.operations,
}
export const perGiB = size => ({
  name: 'CPU',
  unit: 's/GiB',
  better: 'lower',
  read: result => result.cpu / 1e6 / ((result.operations * size) / GiB),
})

export const measured = (name, unit, read) => ({
  name,
  unit,
  better: 'lower',
  read: ({ measures }) => read(measures),
})

/** Below a hundredth of a per cent figures cannot be distinguished. */
export const atRest = { ...measured('idle CPU', '%', ({ idleCpu }) => idleCpu * 100), resolution: 0.01 }
