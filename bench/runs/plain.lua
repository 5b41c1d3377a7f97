-- The request that the floor and the peers were measured with: 225 bytes of JSON and nothing else. No arguments.
wrk.method = "POST"
wrk.headers["content-type"] = "application/json"
wrk.body = '{"i":0,"t":0,"user":"user_01HZX3M7Q9","event":"order.created","order":{"id":"ord_48151623","total":129.95,"currency":"EUR","items":3},"note":"a short line of text so that the body is about two hundred bytes"}'
