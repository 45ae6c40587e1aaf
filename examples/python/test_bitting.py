import json
import unittest

from bitting import protect

SAID = {"keyId": "k", "organizationId": "acme", "permissions": "a:read,...", "permission": "b:write", "customers": "1,2,...",
        "limited": "false"}


def call(authorizer, ask=lambda caller: caller.key_id):
    handler = protect(lambda event, caller: {"statusCode": 200, "body": ask(caller)})
    answer = handler({"requestContext": {"requestId": "r-1", "authorizer": authorizer}})
    return answer["statusCode"], answer["headers"], answer["body"] if answer["statusCode"] == 200 else json.loads(answer["body"])


class Protect(unittest.TestCase):
    def test_hands_a_call_over_that_passed_the_authorizer_by_either_payload(self):
        for authorizer in (SAID, {"lambda": SAID}):
            self.assertEqual(call(authorizer), (200, {}, "k"))

    def test_refuses_a_call_that_passed_no_authorizer_or_another_one(self):
        for authorizer in (None, {}, {"principalId": "x"}, {"lambda": None}, {"jwt": {"claims": {}}}):
            status, headers, problem = call(authorizer)
            self.assertEqual((status, headers["Retry-After"], problem["code"], problem["requestId"]), (503, "5", "unavailable", "r-1"))

    def test_answers_429_and_tells_what_is_left_of_every_call(self):
        limits = 'burst;q=100;w=60;r=42;t=18,bad",quota;q=1000;w=86400;r=7;t=600'
        told = {"RateLimit-Policy": '"burst";q=100;w=60, "quota";q=1000;w=86400', "RateLimit": '"burst";r=42;t=18, "quota";r=7;t=600'}
        self.assertEqual(call({**SAID, "limits": limits})[1], told)

        for limited in ("true", True):
            status, headers, problem = call({**SAID, "limits": limits, "limited": limited, "retryAfter": "12", "denialCode": "quota_exceeded"})
            self.assertEqual((status, problem["code"]), (429, "quota_exceeded"))
            self.assertEqual(headers, {**told, "Content-Type": "application/problem+json", "Retry-After": "12"})
        self.assertEqual(call({**SAID, "limited": "true", "retryAfter": "soon\r\nX: y"})[1]["Retry-After"], "1")

    def test_knows_what_the_caller_may_by_whole_names(self):
        for context, ask, name, want in (
            ({}, "holds", "a:read", True), ({}, "holds", "b:write", True), ({}, "holds", "a:rea", False), ({}, "holds", "...", False),
            ({}, "holds", "", False), ({"permissions": "*"}, "holds", "c:x", True), ({"permissions": "a:read,*"}, "holds", "c:x", False),
            ({}, "serves", "2", True), ({}, "serves", "3", False), ({}, "serves", "...", False), ({}, "serves", "", False),
            ({"customers": ""}, "serves", "3", True),
        ):
            with self.subTest(f"{ask} {name}"):
                self.assertIs(call({**SAID, **context}, lambda caller: getattr(caller, ask)(name))[2], want)

    def test_refuses_a_missing_permission_and_leaves_a_handlers_fault_alone(self):
        status, _, problem = call(SAID, lambda caller: caller.require("orders:refund"))
        self.assertEqual((status, problem["code"], problem["requiredPermission"]), (403, "permission_denied", "orders:refund"))
        with self.assertRaises(ZeroDivisionError):
            call(SAID, lambda caller: 1 / 0)
