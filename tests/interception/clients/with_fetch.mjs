// A client whose vendor address is built in, with fetch.
const API = 'https://api.crun.ai/api/v1/client';
const headers = { 'x-api-key': process.env.CRUN_API_KEY };

const { balance } = (await (await fetch(`${API}/account/balance`, { headers })).json()).data;
const links = (await (await fetch(`${API}/files/upload-url?content_type=image/png&ext=.png`, { headers })).json()).data;
const stored = await fetch(links.presigned_url, {
  method: 'PUT',
  body: 'bytes',
  headers: { 'Content-Type': 'image/png' },
});
if (!stored.ok) throw new Error(`HTTP ${stored.status}`);
const echo = await (await fetch(links.file_url)).text();
console.log(JSON.stringify({ balance, url: links.file_url, echo }));
