// Looks at the site of the documentation in Chromium: every page, on a wide and on a narrow screen. The suite `site` copies this program to
// target/site, where its packages are, and runs it there: `node browser.js <directory of the site>`
import chromium from '@sparticuz/chromium'
import { readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { extname, join } from 'node:path'
import puppeteer from 'puppeteer-core'

const directory = process.argv[2]
const types = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' }
const problems = []

const server = createServer((request, response) => {
  const { pathname } = new URL(request.url, 'http://localhost')
  const file = decodeURIComponent(pathname.slice(1)).replace(/(^|\/)$/, '$1index.html')
  try {
    const body = readFileSync(join(directory, file))
    response.setHeader('content-type', types[extname(file)] ?? 'application/octet-stream')
    response.end(body)
  } catch {
    response.writeHead(404).end()
  }
})
await new Promise(resolve => server.listen(0, '127.0.0.1', resolve))
const origin = `http://127.0.0.1:${server.address().port}`

let browser
try {
  const executablePath = await chromium.executablePath()
  browser = await puppeteer.launch({ args: chromium.args, executablePath, headless: 'shell' })
} catch (error) {
  console.log(`not looked at: Chromium does not start: ${error.message.split('\n')[0]}`)
  process.exit(0)
}

/** What is wrong with the page that the browser shows. Runs in the browser. */
function look() {
  const found = []
  const heading = document.querySelector('main h1')
  if (!heading?.textContent.trim()) found.push('it has no heading')
  for (const image of document.images)
    if (!image.complete || image.naturalWidth === 0) found.push(`it does not show ${image.src}`)
  const { scrollWidth, clientWidth } = document.documentElement
  if (scrollWidth > clientWidth) found.push(`it is ${scrollWidth} pixels wide on a screen of ${clientWidth}`)
  for (const link of document.querySelectorAll('main a[href^="#"]'))
    if (!document.getElementById(decodeURIComponent(link.hash.slice(1))))
      found.push(`no place for ${link.hash}`)
  return found
}

const page = await browser.newPage()
// Only a failure takes this long.
page.setDefaultTimeout(2 * 60_000)
let place
page.on('pageerror', error => problems.push(`${place}: ${error}`))
page.on('console', message => message.type() === 'error' && problems.push(`${place}: ${message.text()}`))
page.on('response', response => {
  if (response.status() >= 400 && !response.url().endsWith('favicon.ico'))
    problems.push(`${place}: ${response.status()} for ${response.url()}`)
})
const names = readdirSync(directory, { recursive: true }).filter(
  name => name.endsWith('.html') && name !== '404.html',
)
for (const [width, waitUntil] of [
  [1280, 'networkidle0'],
  [375, 'load'],
]) {
  await page.setViewport({ width, height: 800 })
  // The generated signatures are wider than a narrow screen.
  for (const name of names.filter(each => width > 1000 || !each.startsWith('reference'))) {
    place = `${name} at ${width}`
    await page.goto(`${origin}/${name}`, { waitUntil })
    problems.push(...(await page.evaluate(look)).map(problem => `${place}: ${problem}`))
  }
}

// The links of the sidebar lead on without a new page being loaded.
await page.setViewport({ width: 1280, height: 800 })
place = 'the sidebar'
await page.goto(`${origin}/index.html`, { waitUntil: 'networkidle0' })
for (const name of await page.$$eval('.VPSidebar a', links => links.map(link => link.getAttribute('href')))) {
  await page.click(`.VPSidebar a[href="${name}"]`)
  await page.waitForFunction(wanted => location.pathname.endsWith(wanted), {}, name)
}

await browser.close()
server.close()
for (const problem of problems) console.error(problem)
console.log(`${names.length} pages`)
if (problems.length > 0 || names.length < 5) process.exitCode = 1
