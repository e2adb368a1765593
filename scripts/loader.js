// The text of addon.cjs, the package's loader. It knows the platforms of scripts/platforms.js alone: the generated binding.cjs knows every
// platform of Node, and reads a file to tell the C libraries of Linux apart, which takes milliseconds of each start.

const head = `// Loads the addon, or keeps the error of each attempt. Written by scripts/platforms.js.
// Each require has its name in full and a try of its own, so that bundlers follow those that exist.
'use strict'

const attempts = []

function load() {
  const { NAPI_RS_NATIVE_LIBRARY_PATH: file } = process.env
  if (file) {
    try {
      return require(file)
    } catch (error) {
      attempts.push(error)
      return undefined
    }
  }
  const platform = \`\${process.platform}-\${process.arch}\`
  if (process.platform !== 'linux') return loadFor(platform)
  // musl has no RTLD_DEEPBIND. A runtime that has the constant all the same, or none of them, may run on either C library.
  const { RTLD_NOW, RTLD_DEEPBIND } = require('node:os').constants.dlopen ?? {}
  const isMusl = RTLD_NOW !== undefined && RTLD_DEEPBIND === undefined
  return (isMusl ? undefined : loadFor(\`\${platform}-gnu\`)) ?? loadFor(\`\${platform}-musl\`)
}

function loadFor(platform) {
  switch (platform) {
`

const tail = `    default:
      attempts.push(new Error(\`Unsupported platform \${platform}\`))
  }
  return undefined
}

exports.attempts = attempts
try {
  exports.native = load()
} catch (error) {
  attempts.push(error)
}
`

const attempt = specifier => `      try {
        return require('${specifier}')
      } catch (error) {
        attempts.push(error)
      }
`

/** Returns the text of the loader of these platforms. An addon beside it precedes the platform's package. */
export function loaderOf(platforms) {
  const cases = platforms.map(
    ({ name }) =>
      `    case '${name}':\n${attempt(`./udsock.${name}.node`)}${attempt(`udsock-${name}`)}      break\n`,
  )
  return `${head}${cases.join('')}${tail}`
}
