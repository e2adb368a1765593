/**
 * The text of ERR_UNSUPPORTED_PLATFORM: on which system, which package was looked for, why its addon was not loaded, and the command
 * or change that mends it.
 */

/** The system on which the addon was not loaded. */
export interface Host {
  readonly platform: string
  readonly arch: string
  /** On Linux: the C library. */
  readonly libc?: 'glibc' | 'musl' | undefined
  readonly glibcVersion?: string | undefined
  /** Name and version of the runtime, such as `Node.js 20.19.0`. */
  readonly runtime: string
  /** The file that NAPI_RS_NATIVE_LIBRARY_PATH names. */
  readonly givenFile?: string | undefined
}

/** The processors of each platform for which there is a package. */
const builds: Record<string, readonly string[]> = {
  linux: ['x64', 'arm64'],
  darwin: ['x64', 'arm64'],
  freebsd: ['x64'],
  android: ['arm64'],
}

/** Describes the system that runs. */
export function thisHost(): Host {
  const { platform, arch, versions } = process
  const { bun, deno, node } = versions
  const runtime = bun ? `Bun ${bun}` : deno ? `Deno ${deno}` : `Node.js ${node}`
  return { platform, arch, ...libcOf(platform), runtime, givenFile: fileOfUser() }
}

function fileOfUser(): string | undefined {
  try {
    return process.env['NAPI_RS_NATIVE_LIBRARY_PATH']
  } catch {
    // Deno without --allow-env.
    return undefined
  }
}

function libcOf(platform: string): Pick<Host, 'libc' | 'glibcVersion'> {
  if (platform !== 'linux') return {}
  try {
    const { header } = process.report.getReport() as { header?: { glibcVersionRuntime?: string } }
    const glibcVersion = header?.glibcVersionRuntime
    return { libc: glibcVersion === undefined ? 'musl' : 'glibc', glibcVersion }
  } catch {
    // Some runtimes have no report.
    return {}
  }
}

/** Returns the attempt of the loader that says why: that of an addon that exists, or else that of the platform's package. */
export function decisiveFailure(attempts: readonly Error[], name: string): Error | undefined {
  return (
    attempts.find(({ message }) => !/^(?:Cannot find|Unsupported)/.test(message)) ??
    attempts.find(({ message }) => message.startsWith(`Cannot find module '${name}'`))
  )
}

/** Returns the name of the platform's package. */
export function packageName({ platform, arch, libc }: Host): string {
  const suffix = platform === 'linux' ? (libc === 'musl' ? '-musl' : '-gnu') : ''
  return `udsock-${platform}-${arch}${suffix}`
}

/** Returns the text of the error for these attempts of the loader. */
export function unsupportedText(host: Host, attempts: readonly Error[]): string {
  const { platform, arch, libc, glibcVersion, runtime } = host
  const system = libc === undefined ? '' : `, ${libc}${glibcVersion === undefined ? '' : ` ${glibcVersion}`}`
  return `udsock cannot be used on ${platform} ${arch}${system} with ${runtime}: ${reasonOf(host, attempts)}`
}

function reasonOf(host: Host, attempts: readonly Error[]): string {
  const { platform, arch, libc, glibcVersion, givenFile } = host
  const name = packageName(host)
  const message = decisiveFailure(attempts, name)?.message ?? ''
  if (/addons? (?:is|are) disabled|--allow-addons|ERR_DLOPEN_DISABLED/.test(message))
    return 'Node was started with --permission, but without --allow-addons (or with --no-addons), and udsock is an addon'
  const lacking = /requires (?:ffi|env|read|sys) access[^,]*/i.exec(message)?.[0]
  if (lacking !== undefined)
    return `Deno loads addons only with --allow-ffi, and the loader of this one needs --allow-env (${lacking})`
  if (givenFile)
    return `NAPI_RS_NATIVE_LIBRARY_PATH is ${givenFile}, which cannot be loaded${message && ` (${message})`}; unset it, or name an addon of udsock`
  if (builds[platform]?.includes(arch) !== true)
    return 'there is no build for this platform; udsock/net and udsock/http use node:net instead'

  const libcFlag = libc === undefined ? '' : ` --libc=${libc}`
  const install = `\`npm install --os=${platform} --cpu=${arch}${libcFlag}\``
  if (message === '' || message.startsWith('Cannot find'))
    return `the package ${name} is not installed. It is an optional dependency: --omit=optional leaves it out, and an installation on another system (on Debian for an Alpine container, for example) has another one instead; run ${install} where the program runs`

  const needed = /version [`']GLIBC_([\d.]+)' not found/.exec(message)?.[1]
  if (needed !== undefined)
    return `${name} needs glibc ${needed}, and this system has ${glibcVersion ?? 'an older one'} (${message}); use a newer system or base image`
  if (/libc\.musl|ld-musl|ld-linux|Error relocating|libc\.so|libgcc_s/.test(message))
    return `the addon that was found is for another C library (${message}); node_modules was installed on another system: remove it, and run ${install}`
  if (
    /\.node: cannot open shared object|wrong ELF class|invalid ELF header|file too short|architecture|mach-o|Exec format|not a valid/i.test(
      message,
    )
  )
    return `the addon that was found is damaged, or is for another system or processor (${message}); remove node_modules, and run ${install}`
  return `${name} cannot be loaded: ${message}`
}
