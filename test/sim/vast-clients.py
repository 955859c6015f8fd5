"""Asks a VMS what VAST's own clients and OpenStack's ask it, in the way that they ask.

Three manners: `vastpy` (a new connection per call, Basic or API token, repeated keys for lists,
bodies on DELETE, /api/latest), the CSI driver (a dummy bearer first, /api/v1, envelopes, tasks) and
manila (a bare `Bearer`, /api, capacity from the last row of metrics). Written from what is publicly
known about them; nothing but the standard library. Standard input: where VMS is, as JSON.
"""

import base64
import http.client
import json
import random
import ssl
import sys
import time
import urllib.parse

where = json.load(sys.stdin)
vms = urllib.parse.urlsplit(where["vmsUrl"])
tls = ssl.create_default_context(cafile=where["caFile"])


class Refused(Exception):
    def __init__(self, status, text):
        super().__init__(f"{status}: {text}")
        self.status = status
        self.text = text


def call(method, path, headers, params=None, data=None):
    pairs = []
    for name, value in (params or {}).items():
        pairs += [(name, each) for each in value] if isinstance(value, list) else [(name, value)]
    query = "?" + urllib.parse.urlencode(pairs) if pairs else ""
    body = json.dumps(data).encode() if data is not None else None
    connection = http.client.HTTPSConnection(vms.hostname, vms.port, context=tls, timeout=60)
    try:
        connection.request(method, path + query, body, {"Content-Type": "application/json", **headers})
        response = connection.getresponse()
        text = response.read().decode()
    finally:
        connection.close()
    if response.status >= 300:
        raise Refused(response.status, text)
    return json.loads(text) if text else None


class Vastpy:
    def __init__(self, authorization, version="latest", tenant=None):
        self.base = f"/api/{version}" if version else "/api"
        self.headers = {"authorization": authorization, **({"X-Tenant-Name": tenant} if tenant else {})}

    def __call__(self, method, resource, params=None, data=None):
        return call(method, f"{self.base}/{resource}/", self.headers, params, data)


class Csi:
    """Logs in when it is told to, and asks again: three times at most."""

    base = "/api/v1"

    def __init__(self):
        self.headers = {"authorization": "Bearer #"}
        self.logins = 0

    def log_in(self):
        data = {"username": where["username"], "password": where["password"]}
        self.headers = {"authorization": "Bearer " + call("POST", f"{self.base}/token/", {}, data=data)["access"]}
        self.logins += 1

    def __call__(self, method, resource, params=None, data=None):
        for _ in range(3):
            try:
                return call(method, f"{self.base}/{resource.strip('/')}/", self.headers, params, data)
            except Refused as refused:
                if refused.status != 403 or "Token is invalid or expired" not in refused.text:
                    raise
                self.log_in()
        raise AssertionError("three logins were not enough")

    def one(self, resource, **params):
        rows = self("GET", resource, params)
        assert len(rows) <= 1, f"too many {resource} for {params}: {rows}"
        return rows[0] if rows else None


class Manila(Csi):
    base = "/api"

    def __init__(self):
        super().__init__()
        self.headers = {"authorization": "Bearer"}


def refuses(status, text, ask, *args, **kwargs):
    try:
        ask(*args, **kwargs)
    except Refused as refused:
        assert refused.status == status and text in refused.text, refused
    else:
        raise AssertionError(f"{args} was not refused")


def expire_tokens():
    admin = urllib.parse.urlsplit(where["adminUrl"])
    connection = http.client.HTTPConnection(admin.hostname, admin.port, timeout=60)
    connection.request("POST", "/actions", json.dumps({"do": "expire-tokens"}))
    assert connection.getresponse().status == 200
    connection.close()


def addresses(ranges):
    def number(text):
        return int.from_bytes(bytes(int(part) for part in text.split(".")), "big")

    found = [value for start, end in ranges for value in range(number(start), number(end) + 1)]
    return [".".join(str(part) for part in value.to_bytes(4, "big")) for value in found]


def as_vastpy():
    basic = "Basic " + base64.b64encode(f"{where['username']}:{where['password']}".encode()).decode()
    for version in ("latest", "v5", None):
        assert Vastpy(basic, version)("GET", "versions", {"status": "success"})[0]["sys_version"].startswith("5.")
    client = Vastpy(basic)
    user = client("POST", "users", data={"name": "py", "uid": 777, "local_provider_id": 1})
    keys = f"users/{user['id']}/access_keys"
    pair = client("POST", keys, data={"tenant_id": 1})
    assert set(pair) == {"access_key", "secret_key"}
    for name in ("one", "two", "three"):
        client("POST", "tenants", data={"name": name})
    page = client("GET", "tenants", {"page_size": 2})
    assert page["count"] >= 4 and len(page["results"]) == 2 and page["next"].startswith(where["vmsUrl"])
    wanted = ["Capacity,drr", "Capacity,logical_space", "Capacity,physical_space_in_use"]
    params = {"object_type": "cluster", "time_frame": "5m", "prop_list": wanted}
    metrics = client("GET", "monitors/ad_hoc_query", params)
    assert set(wanted) < set(metrics["prop_list"]), metrics["prop_list"]
    token = client("POST", "apitokens", data={"name": "t", "owner": where["username"], "expiry_date": "1d"})
    scoped = Vastpy("Api-Token " + token["token"], tenant="default")
    assert scoped("GET", "views") == []
    client("PATCH", f"apitokens/{token['id']}/revoke")
    refuses(403, "Token is invalid", scoped, "GET", "views")
    refuses(400, "Invalid pk", client, "POST", "views", data={"path": "/x", "policy_id": 99})
    client("DELETE", keys, data={"access_key": pair["access_key"]})
    client("DELETE", f"users/{user['id']}")


def as_csi():
    client = Csi()
    assert client("GET", "versions", {"status": "success"})[0]["sys_version"]
    assert client.logins == 1
    expire_tokens()
    policy = client.one("viewpolicies", name="s3_default_policy")
    assert client.logins == 2, "the token ran out in between"
    client("POST", "users", data={"name": "csi-bucket", "uid": 5001})
    assert client.one("views", bucket="csi-bucket") is None
    view = client(
        "POST",
        "views",
        data={
            "bucket": "csi-bucket",
            "bucket_owner": "csi-bucket",
            "path": "/csi/csi-bucket",
            "protocols": ["S3"],
            "policy_id": policy["id"],
            "tenant_id": policy["tenant_id"],
            "create_dir": True,
        },
    )
    assert client.one("views", bucket="csi-bucket")["id"] == view["id"]
    assert client.one("views", path="/csi/csi-bucket", policy__name="default") is None
    pool = client.one("vippools", name="main")
    assert random.choice(addresses(pool["ip_ranges"])) in where["vips"]
    quota = {"name": "volume", "path": "/csi/csi-bucket", "tenant_id": 1, "hard_limit": 10**9}
    client("POST", "quotas", data=quota)
    assert client.one("quotas", path="/csi/csi-bucket", tenant_id=1)["hard_limit"] == 10**9
    assert client.one("quotas", path__contains="csi-bucket")
    snapshot = {"name": "snap", "path": "/csi/csi-bucket/", "tenant_id": 1, "expiration_time": "2030-01-01T00:00:00"}
    made = client("POST", "snapshots", data=snapshot)
    assert client.one("snapshots", name="snap")["path"] == "/csi/csi-bucket/"
    found = client("GET", "snapshots", {"path__contains": "/csi/csi-bucket", "page_size": 10})
    assert [each["id"] for each in found["results"]] == [made["id"]]
    clone = {"loanee_root_path": "/csi/clone", "name": "c", "enabled": True, "loanee_tenant_id": 1}
    stream = client("POST", f"snapshots/{made['id']}/clone/", data=clone)
    while client("GET", f"vtasks/{stream['async_task']['id']}")["state"] == "RUNNING":
        time.sleep(0.05)
    assert client("GET", f"globalsnapstreams/{stream['id']}")["state"] == "Completed"
    streams = client("GET", "globalsnapstreams", {"loanee_snapshot__id": made["id"], "page_size": 10})
    assert streams["results"][0]["status"]["state"].lower() == "finished"
    assert client("GET", "globalsnapstreams", {"loanee_snapshot__id": 999, "page_size": 10})["results"] == []
    client("PATCH", f"globalsnapstreams/{stream['id']}/stop")
    client("DELETE", f"globalsnapstreams/{stream['id']}", data={"remove_dir": True})
    usage = {"vendor": "vastdata", "name": "vast-csi", "version": "v2", "build": "0"}
    client("POST", "plugins/usage/", data=usage)
    folder = {"path": "/csi/csi-bucket", "tenant_id": 1}
    client("DELETE", "folders/delete_folder/", data=folder)
    refuses(400, "no such directory", client, "DELETE", "folders/delete_folder/", data=folder)


def as_manila():
    client = Manila()
    client.log_in()
    policy = client.one("viewpolicies", name="default")
    view = {"name": "share", "path": "/manila", "policy_id": policy["id"], "create_dir": True, "protocols": ["NFS"]}
    made = client("POST", "views", data=view)
    client("POST", "quotas", data={"name": "share", "path": "/manila", "hard_limit": 10**9})
    quota = client.one("quotas", name="share")
    assert quota["used_effective_capacity"] == 0
    client("PATCH", f"quotas/{quota['id']}", data={"hard_limit": 2 * 10**9})
    wanted = ["Capacity,logical_space", "Capacity,logical_space_in_use", "Capacity,drr"]
    params = {"prop_list": wanted, "object_type": "cluster", "time_frame": "1m"}
    metrics = client("GET", "monitors/ad_hoc_query", params)
    last = dict(zip(metrics["prop_list"], metrics["data"][-1]))
    assert last["Capacity,logical_space"] > 0 and metrics["data"][0][2] is None, "only the newest row has nulls"
    client("DELETE", f"views/{made['id']}")
    client("DELETE", f"quotas/{quota['id']}")
    client("DELETE", "folders/delete_folder/", data={"path": "/manila"})


as_vastpy()
as_csi()
as_manila()
print("ok")
