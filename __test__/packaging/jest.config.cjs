module.exports = {
  testMatch: ['**/jest-*.test.*'],
  moduleFileExtensions: ['mjs', 'cjs', 'js', 'json', 'node'],
  transform: {},
}
