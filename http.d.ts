export * from './lib/http.js'
