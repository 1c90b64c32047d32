// A client whose vendor address is built in, with axios.
const axios = require('axios');

const api = axios.create({
  baseURL: 'https://api.crun.ai/api/v1/client',
  headers: { 'x-api-key': process.env.CRUN_API_KEY },
});

async function main() {
  const { balance } = (await api.get('/account/balance')).data.data;
  const params = { content_type: 'image/png', ext: '.png' };
  const links = (await api.get('/files/upload-url', { params })).data.data;
  await axios.put(links.presigned_url, 'bytes', { headers: { 'Content-Type': 'image/png' } });
  const echo = (await axios.get(links.file_url, { responseType: 'text' })).data;
  console.log(JSON.stringify({ balance, url: links.file_url, echo }));
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
