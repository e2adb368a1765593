// Loads the addon, or keeps the error of each attempt. Written by scripts/platforms.js.
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
  const platform = `${process.platform}-${process.arch}`
  if (process.platform !== 'linux') return loadFor(platform)
  // musl has no RTLD_DEEPBIND. A runtime that has the constant all the same, or none of them, may run on either C library.
  const { RTLD_NOW, RTLD_DEEPBIND } = require('node:os').constants.dlopen ?? {}
  const isMusl = RTLD_NOW !== undefined && RTLD_DEEPBIND === undefined
  return (isMusl ? undefined : loadFor(`${platform}-gnu`)) ?? loadFor(`${platform}-musl`)
}

function loadFor(platform) {
  switch (platform) {
    case 'linux-x64-gnu':
      try {
        return require('./udsock.linux-x64-gnu.node')
      } catch (error) {
        attempts.push(error)
      }
      try {
        return require('udsock-linux-x64-gnu')
      } catch (error) {
        attempts.push(error)
      }
      break
    case 'linux-arm64-gnu':
      try {
        return require('./udsock.linux-arm64-gnu.node')
      } catch (error) {
        attempts.push(error)
      }
      try {
        return require('udsock-linux-arm64-gnu')
      } catch (error) {
        attempts.push(error)
      }
      break
    case 'linux-x64-musl':
      try {
        return require('./udsock.linux-x64-musl.node')
      } catch (error) {
        attempts.push(error)
      }
      try {
        return require('udsock-linux-x64-musl')
      } catch (error) {
        attempts.push(error)
      }
      break
    case 'linux-arm64-musl':
      try {
        return require('./udsock.linux-arm64-musl.node')
      } catch (error) {
        attempts.push(error)
      }
      try {
        return require('udsock-linux-arm64-musl')
      } catch (error) {
        attempts.push(error)
      }
      break
    case 'darwin-x64':
      try {
        return require('./udsock.darwin-x64.node')
      } catch (error) {
        attempts.push(error)
      }
      try {
        return require('udsock-darwin-x64')
      } catch (error) {
        attempts.push(error)
      }
      break
    case 'darwin-arm64':
      try {
        return require('./udsock.darwin-arm64.node')
      } catch (error) {
        attempts.push(error)
      }
      try {
        return require('udsock-darwin-arm64')
      } catch (error) {
        attempts.push(error)
      }
      break
    case 'freebsd-x64':
      try {
        return require('./udsock.freebsd-x64.node')
      } catch (error) {
        attempts.push(error)
      }
      try {
        return require('udsock-freebsd-x64')
      } catch (error) {
        attempts.push(error)
      }
      break
    case 'android-arm64':
      try {
        return require('./udsock.android-arm64.node')
      } catch (error) {
        attempts.push(error)
      }
      try {
        return require('udsock-android-arm64')
      } catch (error) {
        attempts.push(error)
      }
      break
    default:
      attempts.push(new Error(`Unsupported platform ${platform}`))
  }
  return undefined
}

exports.attempts = attempts
try {
  exports.native = load()
} catch (error) {
  attempts.push(error)
}
