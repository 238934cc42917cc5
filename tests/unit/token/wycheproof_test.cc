// The JSON Web Signature and Key vectors of C2SP/wycheproof, from the folder that WATCHWORD_VECTORS names.

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "gtest/gtest.h"
#include "testing/status_matchers.h"
#include "watchword/token/jwk.h"
#include "watchword/token/reasons.h"
#include "watchword/token/verifier.h"

namespace watchword {
namespace {

using nlohmann::json;

// Fails the test, never skips it, if the vectors are not there.
json Load(const std::string& name) {
  const char* folder = std::getenv("WATCHWORD_VECTORS");
  if (folder == nullptr) {
    ADD_FAILURE() << "set WATCHWORD_VECTORS to the folder that holds wycheproof/" << name;
    return {{"testGroups", json::array()}};
  }
  std::ifstream file(std::string(folder) + "/wycheproof/" + name);
  json vectors = json::parse(file, nullptr, false);
  if (vectors.is_discarded()) {
    ADD_FAILURE() << "cannot read wycheproof/" << name << " in WATCHWORD_VECTORS=" << folder;
    return {{"testGroups", json::array()}};
  }
  return vectors;
}

std::string TokenOf(const json& test) {
  return test["jws"].is_string() ? test["jws"].get<std::string>() : test["jws"].dump();
}

struct Counts {
  int tests = 0, accepted = 0;
};

// Whether the keys of the group are of an algorithm that we have, so that its verdicts must agree.
bool IsOfOurAlgorithms(const json& key) {
  static const std::set<std::string> kOurs = {"ES256", "RS256", "EdDSA", "absent"};
  return key["kty"] != "oct" && kOurs.count(key.value("alg", "absent")) > 0;
}

// Judges every test of a group with `keys`, which is null if the key set was refused.
void Judge(const json& group, const KeySet* keys, bool must_agree, const std::set<int>& except, Counts& counts) {
  for (const json& test : group["tests"]) {
    ++counts.tests;
    const int id = test["tcId"].get<int>();
    const auto payload = VerifySignatureOnly(TokenOf(test), keys == nullptr ? KeySet() : *keys);
    EXPECT_TRUE(payload.ok() || ReasonOf(payload.status()) == kTokenInvalid) << id;
    if (except.count(id) > 0) continue;
    if (payload.ok()) ++counts.accepted;
    EXPECT_EQ(payload.ok(), must_agree && test["result"] == "valid") << "tcId " << id << ": " << test["comment"];
  }
}

TEST(WycheproofTest, SignatureVectorsAgree) {
  const json vectors = Load("json_web_signature_test.json");
  Counts counts;
  for (const json& group : vectors["testGroups"]) {
    const json& key = group.contains("public") ? group["public"] : group["private"];
    const auto keys = KeySet::Parse(json{{"keys", {key}}}.dump());
    EXPECT_EQ(keys.ok(), key["kty"] != "oct") << keys.status();
    Judge(group, keys.ok() ? &*keys : nullptr, IsOfOurAlgorithms(key), {}, counts);
  }
  EXPECT_EQ(counts.tests, 401);
  EXPECT_EQ(counts.accepted, 10) << "18, 33, 259 to 263, 345, 349 and 378";
}

TEST(WycheproofTest, KeyVectorsAgree) {
  const json vectors = Load("json_web_key_test.json");
  Counts counts;
  for (const json& group : vectors["testGroups"]) {
    const json& set = group.contains("public") ? group["public"] : group["private"];
    const auto keys = KeySet::Parse(set.dump());
    // 7: an RSA key of a faulty generator (ROCA). Which generator an issuer used is not for verifiers to find out.
    Judge(group, keys.ok() ? &*keys : nullptr, IsOfOurAlgorithms(set["keys"][0]), {7}, counts);
  }
  EXPECT_EQ(counts.tests, 26);
  EXPECT_EQ(counts.accepted, 1) << "5";
}

}  // namespace
}  // namespace watchword
