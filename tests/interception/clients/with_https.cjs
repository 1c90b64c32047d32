// A client whose vendor address is built in, with node:https, an agent of its own, and plain node:http for the file.
const http = require('node:http');
const https = require('node:https');

const agent = new https.Agent({ keepAlive: true });
const key = { 'x-api-key': process.env.CRUN_API_KEY };

function call(url, { body, ...options } = {}) {
  const client = url.startsWith('https:') ? https : http;
  return new Promise((resolve, reject) => {
    const request = client.request(url, { ...options, agent: client === https ? agent : undefined }, (answer) => {
      let text = '';
      answer.on('data', (chunk) => (text += chunk));
      answer.on('end', () => resolve(text));
    });
    request.on('error', reject);
    request.end(body);
  });
}

async function main() {
  const api = 'https://api.crun.ai/api/v1/client';
  const { balance } = JSON.parse(await call(`${api}/account/balance`, { headers: key })).data;
  const links = JSON.parse(await call(`${api}/files/upload-url?content_type=image/png&ext=.png`, { headers: key })).data;
  await call(links.presigned_url, { method: 'PUT', body: 'bytes', headers: { 'Content-Type': 'image/png' } });
  const echo = await call(links.file_url.replace('https:', 'http:'));
  agent.destroy();
  console.log(JSON.stringify({ balance, url: links.file_url, echo }));
}

main();
