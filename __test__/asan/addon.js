// The addon to test, for this package's loader alone: the tests' own TypeScript loader reads the same variable and is there already.
process.env.NAPI_RS_NATIVE_LIBRARY_PATH = process.env.UDSOCK_ADDON
