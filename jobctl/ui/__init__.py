"""What `jobctl ui` serves: this laptop's runs, live, to a browser on the same machine.

serve.py    the socket on 127.0.0.1, the server, its end
guard.py    who may ask: token, Host, Origin
app.py      the routes
hub.py      what is known of runs, cards and actions; threads that ask the hosts while somebody looks
feed.py     what one page is sent: server-sent events of the hub, of one run's curves and of its log
actions.py  pull and cancel
rows.py     runs as data for the page
page/       markup, style, scripts; charts and style of the report come from `jobctl/monitor/page`
"""
