// What a platform's addon must be, read from the file itself: for the right system and processor, small, without code that has to be
// relocated, unloaded by nothing, and content with the oldest C library that the package promises.
import { createHash } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { command } from './command.js'

/** Bytes. */
const LIMIT = 5 << 18

const elf = {
  x64: 'Advanced Micro Devices X86-64',
  arm64: 'AArch64',
}

/** The shared libraries that each C library's systems have wherever Node runs. */
const libraries = {
  glibc: /^(?:lib(?:c|m|dl|pthread|rt|gcc_s)\.so\.\d+|ld-linux-.*\.so\.\d+)$/,
  // musl's loader is its C library and answers to this name.
  musl: /^libc\.so$/,
  freebsd: /^lib(?:c|m|dl|thr|rt|gcc_s|execinfo|util|kvm|memstat|procstat|devstat)\.so\.\d+$/,
  android: /^lib(?:c|m|dl|log)\.so$/,
}

const isAtMost = (version, limit) => version.localeCompare(limit, 'en', { numeric: true }) <= 0

/** Returns the newest version of glibc whose symbols the addon needs, or undefined if it needs none. */
function neededGlibc(text) {
  const versions = [...text.matchAll(/Name: GLIBC_([\d.]+)/g)].map(match => match[1])
  return versions.toSorted((left, right) => (isAtMost(left, right) ? -1 : 1)).at(-1)
}

/** Checks an ELF file: { faults, facts }. */
async function checkElf(file, { os, cpu, libc, glibc }) {
  const {
    code,
    stdout: text,
    output,
  } = await command('readelf', ['--wide', '--file-header', '--dynamic', '--version-info', file])
  if (code !== 0) return { faults: [output.trim()], facts: [] }
  const needed = [...text.matchAll(/\(NEEDED\).*\[(.*)\]/g)].map(match => match[1])
  const foreign = needed.filter(name => !libraries[libc ?? os].test(name))
  const version = neededGlibc(text)
  const faults = [
    [!text.includes(elf[cpu]), `it is not for ${cpu}`],
    [!/Type:\s+DYN/.test(text), 'it is no shared library'],
    [os === 'freebsd' && !needed.includes('libc.so.7'), 'it is not for FreeBSD'],
    [!/\(FLAGS_1\).*\bNODELETE\b/.test(text), 'it may be unloaded while its threads run (no NODELETE)'],
    [/\(TEXTREL\)|\(FLAGS\).*\bTEXTREL\b/.test(text), 'it relocates code (TEXTREL)'],
    [foreign.length > 0, `it needs ${foreign.join(', ')}`],
    [libc === 'glibc' && version === undefined, 'it needs no glibc at all'],
    [libc !== 'glibc' && version !== undefined, `it needs glibc ${version}`],
    [
      glibc !== undefined && version !== undefined && !isAtMost(version, glibc),
      `it needs glibc ${version}, and ${glibc} is promised`,
    ],
  ]
  const facts = ['NODELETE', 'no TEXTREL', `needs ${needed.join(', ')}`]
  if (version !== undefined) facts.unshift(`glibc ${version}`)
  return { faults: faults.filter(([is]) => is).map(([, what]) => what), facts }
}

const machO = { x64: 0x01000007, arm64: 0x0100000c }
const LC_CODE_SIGNATURE = 0x1d
const CODE_DIRECTORY = 0xfade0c02

/** Returns the load commands of a Mach-O file, by their kind. */
function loadCommands(bytes) {
  const commands = new Map()
  let at = 32
  for (let index = 0; index < bytes.readUInt32LE(16); index++) {
    commands.set(bytes.readUInt32LE(at), at)
    at += bytes.readUInt32LE(at + 4)
  }
  return commands
}

/** Returns what is wrong with the signature at `start`: the hash of each page must be that of the file. */
function signatureFault(bytes, start) {
  for (let index = 0; index < bytes.readUInt32BE(start + 8); index++) {
    const directory = start + bytes.readUInt32BE(start + 12 + index * 8 + 4)
    if (bytes.readUInt32BE(directory) !== CODE_DIRECTORY) continue
    const hashes = directory + bytes.readUInt32BE(directory + 16)
    const [slots, limit] = [bytes.readUInt32BE(directory + 28), bytes.readUInt32BE(directory + 32)]
    const [size, page] = [bytes[directory + 36], 1 << bytes[directory + 39]]
    for (let slot = 0; slot < slots; slot++) {
      const content = bytes.subarray(slot * page, Math.min((slot + 1) * page, limit))
      const hash = createHash('sha256').update(content).digest().subarray(0, size)
      if (!hash.equals(bytes.subarray(hashes + slot * size, hashes + (slot + 1) * size)))
        return `its signature does not fit page ${slot} of ${slots}: macOS would kill the process`
    }
    return undefined
  }
  return 'its signature has no code directory'
}

/** Checks a Mach-O file: { faults, facts }. macOS loads no unsigned code on arm64. */
function checkMachO(file, { cpu }) {
  const bytes = readFileSync(file)
  if (bytes.readUInt32LE(0) !== 0xfeedfacf) return { faults: ['it is no Mach-O file'], facts: [] }
  const faults = []
  if (bytes.readUInt32LE(4) !== machO[cpu]) faults.push(`it is not for ${cpu}`)
  if (![6, 8].includes(bytes.readUInt32LE(12))) faults.push('it is neither a dylib nor a bundle')
  const signature = loadCommands(bytes).get(LC_CODE_SIGNATURE)
  if (signature === undefined) {
    if (cpu === 'arm64') faults.push('it is not signed: macOS would not load it')
    return { faults, facts: ['Mach-O', 'not signed'] }
  }
  const fault = signatureFault(bytes, bytes.readUInt32LE(signature + 8))
  if (fault !== undefined) faults.push(fault)
  return { faults, facts: ['Mach-O', 'signed'] }
}

/** Checks a platform's addon: { faults, facts }, each a list of sentences. */
export async function checkAddon(file, platform) {
  const { size } = statSync(file)
  const { faults, facts } =
    platform.os === 'darwin' ? checkMachO(file, platform) : await checkElf(file, platform)
  if (size >= LIMIT) faults.push(`it has ${size} bytes, and ${LIMIT} are allowed`)
  return { faults, facts: [`${size} bytes`, ...facts] }
}
