-- HTTP routes: the quickstart's page, and documents as JSON.
local page = [[
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>happn quickstart</title>
<style>
  :root { color-scheme: light dark; }
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; }
  h1 { font-size: 1.6rem; margin-bottom: .2rem; }
  #state { color: #888; }
  form { display: flex; gap: .5rem; margin: 1.2rem 0; flex-wrap: wrap; }
  input { flex: 1; min-width: 9rem; padding: .45rem .6rem; font: inherit; }
  button { padding: .45rem 1rem; font: inherit; }
  table { width: 100%; border-collapse: collapse; }
  td, th { text-align: left; padding: .35rem .5rem; border-bottom: 1px solid #8884; vertical-align: top; }
  code { word-break: break-word; }
</style>
<h1>happn</h1>
<div id="state">connecting …</div>
<form>
  <input name="path" value="/quickstart/hello" aria-label="path">
  <input name="data" value='{"text": "hello"}' aria-label="document">
  <button>set</button>
</form>
<table>
  <thead><tr><th>when</th><th>action</th><th>document</th></tr></thead>
  <tbody id="events"></tbody>
</table>
<script src="/browser_client"></script>
<script>
  const state = document.getElementById('state');
  const events = document.getElementById('events');
  const say = (text) => { state.textContent = text; };

  function show(data, meta) {
    const row = events.insertRow(0);
    row.insertCell().textContent = new Date().toLocaleTimeString();
    row.insertCell().textContent = meta.action;
    const code = document.createElement('code');
    code.textContent = JSON.stringify(data);
    row.insertCell().append(code);
  }

  async function start() {
    const client = await HappnClient.create(); // of the server that this page comes from
    await client.on('/quickstart/*', show);
    say('connected: every change below /quickstart appears here');
    client.onEvent('reconnect-scheduled', ({ scheduled }) => say(`the server is gone, next attempt in ${scheduled} ms`));
    client.onEvent('reconnect-successful', () => say('connected again'));
    document.querySelector('form').onsubmit = (submit) => {
      submit.preventDefault();
      const form = new FormData(submit.target);
      try {
        client.set(form.get('path'), JSON.parse(form.get('data'))).catch((error) => say(error.message));
      } catch (error) {
        say(error.message);
      }
    };
  }
  start().catch((error) => say(error.message));
</script>
</html>
]]

return {
  name = "quickstart",

  ["GET /"] = function()
    return 200, page, { ["content-type"] = "text/html; charset=utf-8" }
  end,

  -- curl localhost:55000/quickstart/documents/hello
  ["GET /documents/{id}"] = function(req)
    local document = happn.get(happn.path("/quickstart", req.params.id))
    if not document then
      return 404, { error = "there is no document " .. req.params.id }
    end
    return document
  end,

  -- curl -d '{"text":"by HTTP"}' localhost:55000/quickstart/documents/hello
  ["POST /documents/{id}"] = function(req)
    return 201, happn.set(happn.path("/quickstart", req.params.id), req:json())
  end,
}
