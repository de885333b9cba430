#include <gtest/gtest.h>

#include "network/network.h"
#include "tests/base/refusal.h"

namespace glm {
namespace {

TEST(AllowedHosts, AreHostsWithOrWithoutPorts) {
  for (const char* entry : {"example.com", "EXAMPLE.com.", "example.com:8080", "xn--bcher-kva.example", "my_service",
                            "localhost:1", "127.0.0.1:65535", "[::1]", "[::1]:8080", "::1", "2001:db8::1", "fd00::1"}) {
    EXPECT_NO_THROW(Network({entry})) << entry;
  }
  EXPECT_NO_THROW(Network({}));
}

TEST(AllowedHosts, AreNothingElse) {
  for (const std::string entry : {"",
                                  " ",
                                  "*",
                                  "*.example.com",
                                  "http://example.com",
                                  "https://example.com/",
                                  "example.com/path",
                                  "example.com?a",
                                  "example.com#a",
                                  "user@example.com",
                                  "user:password@example.com",
                                  "example.com:",
                                  "example.com:0",
                                  "example.com:65536",
                                  "example.com:-1",
                                  "example.com:+80",
                                  "example.com:80a",
                                  "example.com:80:80",
                                  ":80",
                                  "[::1",
                                  "::1]",
                                  "[::1]:",
                                  "[::1]:0",
                                  "[fe80::1%eth0]",
                                  "fe80::1%eth0",
                                  "[127.0.0.1]",
                                  "example.com,other.com",
                                  "a b",
                                  "example.com\n",
                                  ".example.com",
                                  "example..com",
                                  ".",
                                  "b\u00fccher.example",
                                  "ex%61mple.com",
                                  "1.2.3.4.5",
                                  "256.1.1.1",
                                  "10.0.0.0/8",
                                  "[]",
                                  "example.com\\x"}) {
    EXPECT_TRUE(refused(ErrorCode::usage,
                        {"--allow-host: expected HOST or HOST:PORT, such as example.com:8080, found "},
                        [&] {
                          Network({"example.org", entry});
                        }))
        << entry;
  }
  EXPECT_TRUE(refused(ErrorCode::usage, {"..."}, [&] { Network({std::string(1000, '\\')}); }));
  EXPECT_FALSE(refused(ErrorCode::usage, {"secret"}, [&] { Network({"http://me:secret@example.com/?token=secret"}); }))
      << "what may be a secret isn't repeated";
  EXPECT_TRUE(refused(ErrorCode::usage, {}, [&] { Network({std::string(254, 'a')}); }));
}

TEST(AllowedHosts, WithoutAPortMeanTheUsualOne) {
  const Network network({"example.com", "other.com:443", "[::1]", "127.0.0.1:8080"});
  for (const char* url :
       {"http://example.com", "http://example.com:80/", "https://example.com/a?b#c", "https://EXAMPLE.COM.:443/",
        "https://other.com", "http://other.com:443/", "http://[::1]/", "http://[0:0:0:0:0:0:0:1]:80",
        "http://127.0.0.1:8080/", "http://0x7f.1:8080/", "http://[::ffff:127.0.0.1]:8080/"}) {
    EXPECT_NO_THROW(network.check(url)) << url;
  }
  const std::pair<const char*, const char*> others[] = {{"http://example.com:443/secret", "example.com:443"},
                                                        {"https://example.com:80/secret", "example.com:80"},
                                                        {"http://example.com:8080/secret", "example.com:8080"},
                                                        {"http://other.com/secret", "other.com:80"},
                                                        {"http://www.example.com/secret", "www.example.com:80"},
                                                        {"http://example.com.evil/secret", "example.com.evil:80"},
                                                        {"http://notexample.com/secret", "notexample.com:80"},
                                                        {"http://127.0.0.1/secret", "127.0.0.1:80"},
                                                        {"http://[::2]/secret", "[::2]:80"},
                                                        {"https://[::1]:444/secret", "[::1]:444"}};
  for (const auto& [url, place] : others) {
    try {
      network.check(url);
      ADD_FAILURE() << url;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::usage);
      EXPECT_EQ(e.what(), std::string("the URL's host: expected one that --allow-host names, found ") + place);
    }
  }
}

// Returns the host and port of a URL, or "" if its text is refused.
std::string place_of(const std::string& url) {
  const std::string beginning = "the URL's host: expected one that --allow-host names, found ";
  try {
    Network({}).check(url);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::usage);
    const std::string message = e.what();
    if (message.starts_with(beginning)) return message.substr(beginning.size());
    EXPECT_TRUE(message.starts_with("the URL: expected ")) << message;
    EXPECT_EQ(message.find("secret"), std::string::npos) << message;
  }
  return "";
}

struct Nasty {
  std::string url;
  std::string place;  // "": refused
};

// From writings on server-side request forgery: what parsers have disagreed on.
const Nasty kNasty[] = {
    // Credentials, and what is taken for them.
    {"http://a@b/secret", ""},
    {"http://a:secret@b/", ""},
    {"http://@b/", ""},
    {"http://a@/", ""},
    {"http://good.example@127.0.0.1/", ""},
    {"http://127.0.0.1:80@good.example/", ""},
    {"http://a@b@c/", ""},
    {"http://a\\@b/", ""},
    {"http://a%40b/", ""},
    {"http://good.example#@evil.example/", "good.example:80"},
    {"http://good.example?@evil.example/", "good.example:80"},
    {"http://good.example/@evil.example/", "good.example:80"},
    {"http://good.example;@evil.example/", ""},
    {"http://good.example&@evil.example#@x/", ""},
    // Backslashes, blanks, control characters, zeros.
    {"http://good.example\\.evil.example/", ""},
    {"http://good.example\\/secret", ""},
    {"http:\\\\good.example\\", ""},
    {"http://good.example/\\secret", ""},
    {"http://good.example/a b", ""},
    {" http://good.example/", ""},
    {"http://good.example/ ", ""},
    {"http://good.example\t/", ""},
    {"http://good\n.example/", ""},
    {"http://good.example/\r\nHost: evil", ""},
    {"http://good.example/\x7f", ""},
    {std::string("http://x\0y/", 11), ""},
    {"http://x%00y/", ""},
    {"http://good.example%0d%0a/", ""},
    {"http://good.example%20/", ""},
    {"http://good.example/%0d%0a", "good.example:80"},
    {"ht\ttp://good.example/", ""},
    // Addresses in other forms.
    {"http://127.1/", "127.0.0.1:80"},
    {"http://0x7f000001/", "127.0.0.1:80"},
    {"http://2130706433/", "127.0.0.1:80"},
    {"http://017700000001/", "127.0.0.1:80"},
    {"http://0177.0.0.1/", "127.0.0.1:80"},
    {"http://0x7f.1/", "127.0.0.1:80"},
    {"http://0/", "0.0.0.0:80"},
    {"http://127.0.0.1./", "127.0.0.1:80"},
    {"http://4294967296/", ""},
    {"http://256.256.256.256/", ""},
    {"http://1.2.3.4.5/", ""},
    {"http://127.0.0.0x1/", "127.0.0.1:80"},
    {"http://0x7f.0x/", ""},
    {"http://08.1/", ""},
    {"http://1.2.3.08/", ""},
    {"http://good.123/", ""},
    {"http://127..1/", ""},
    {"http://127.1../", ""},
    {"http://0X7F.1/", "127.0.0.1:80"},
    {"http://good.0X1/", ""},
    {"http://[::]/", "[::]:80"},
    {"http://[::1]/", "[::1]:80"},
    {"http://[0000::0001]/", "[::1]:80"},
    {"http://[::ffff:127.0.0.1]/", "127.0.0.1:80"},
    {"http://[::FFFF:7F00:1]/", "127.0.0.1:80"},
    {"http://[::127.0.0.1]/", "[::127.0.0.1]:80"},
    {"http://[64:ff9b::7f00:1]/", "[64:ff9b::7f00:1]:80"},
    {"http://[fe80::1%25eth0]/", ""},
    {"http://[fe80::1%eth0]/", ""},
    {"http://[::1/", ""},
    {"http://::1/", ""},
    {"http://[::1]]/", ""},
    {"http://[[::1]]/", ""},
    {"http://[127.0.0.1]/", ""},
    {"http://[]/", ""},
    {"http://[::1]evil.example/", ""},
    {"http://[::1].evil.example/", ""},
    {"http://[v1.x]/", ""},
    {"http://a[::1]/", ""},
    {"http://%31%32%37.0.0.1/", ""},
    {"http://%6c%6f%63alhost/", ""},
    {"http://127.0.0.1%2f.evil.example/", ""},
    {"http://\u2460\u2461\u2466.\u24ea.\u24ea.\u2460/", ""},
    {"http://127\u30020\u30020\u30021/", ""},
    {"http://\uff11\uff12\uff17.0.0.1/", ""},
    {"http://b\u00fccher.example/", ""},
    {"http://good.example/\u00e9", ""},
    {"http://xn--bcher-kva.example/", "xn--bcher-kva.example:80"},
    {"http://localhost\u2024/", ""},
    // Beginnings.
    {"HTTP://GOOD.EXAMPLE/", "good.example:80"},
    {"hTTps://good.example", "good.example:443"},
    {"http:///good.example/", ""},
    {"http:good.example/", ""},
    {"http:/good.example/", ""},
    {"http:////good.example/", ""},
    {"//good.example/", ""},
    {"good.example/", ""},
    {"", ""},
    {"http", ""},
    {"http://", ""},
    {"http://?secret", ""},
    {"http://#", ""},
    {"http:///", ""},
    {"file:///etc/passwd", ""},
    {"file://good.example/", ""},
    {"ftp://good.example/", ""},
    {"gopher://good.example/", ""},
    {"dict://good.example/", ""},
    {"ws://good.example/", ""},
    {"httpx://good.example/", ""},
    {"http+unix://good.example/", ""},
    {"javascript://good.example/", ""},
    {"data:image/png;base64,secret", ""},
    {"url:http://good.example/", ""},
    {"http://http://good.example/", ""},
    {"https:http://good.example/", ""},
    // Ports.
    {"http://good.example:8080/", "good.example:8080"},
    {"http://good.example:00080/", "good.example:80"},
    {"http://good.example:80:81/", ""},
    {"http://good.example:0/", ""},
    {"http://good.example:65535/", "good.example:65535"},
    {"http://good.example:65536/", ""},
    {"http://good.example:+80/", ""},
    {"http://good.example:-80/", ""},
    {"http://good.example:/", ""},
    {"http://good.example: 80/", ""},
    {"http://good.example:80a/", ""},
    {"http://good.example:0x50/", ""},
    {"http://good.example:4294967376/", ""},
    {"http://good.example:80?a", "good.example:80"},
    {"http://:80/", ""},
    {"http://good.example:80#@b:81/", "good.example:80"},
    {"http://a:b:80/", ""},
    // Names.
    {"http://good.example./", "good.example:80"},
    {"http://good.example../", ""},
    {"http://.good.example/", ""},
    {"http://good..example/", ""},
    {"http://./", ""},
    {"http://../", ""},
    {"http://*/", ""},
    {"http://good.example,b/", ""},
    {"http://localhost#@x/", "localhost:80"},
    {"http://a_b-c/", "a_b-c:80"},
    {"http://good.example|b/", ""},
    {"http://$(id)/", ""},
    {"http://<b>/", ""},
    {"http://\"b\"/", ""},
    {"http://good'/", ""},
    {"http://{good}/", ""},
    {"http://good.example/../../secret", "good.example:80"},
    {"http://good.example//evil.example/", "good.example:80"},
};

TEST(NastyUrls, MeanOnePlaceOrAreRefused) {
  for (const Nasty& nasty : kNasty) {
    EXPECT_EQ(place_of(nasty.url), nasty.place) << nasty.url;
    if (nasty.place.empty()) continue;
    EXPECT_NO_THROW(Network({nasty.place}).check(nasty.url)) << nasty.url;
  }
  EXPECT_GT(std::size(kNasty), 100U);
}

TEST(NastyUrls, HaveALimit) {
  const std::string beginning = "http://good.example/";
  EXPECT_EQ(place_of(beginning + std::string(8192 - beginning.size(), 'a')), "good.example:80");
  EXPECT_EQ(place_of(beginning + std::string(8193 - beginning.size(), 'a')), "");
  EXPECT_EQ(place_of("http://" + std::string(253, 'a')), std::string(253, 'a') + ":80");
  EXPECT_EQ(place_of("http://" + std::string(254, 'a')), "");
}

TEST(NastyUrls, AreToldWhatIsWrong) {
  const std::pair<const char*, const char*> all[] = {{"http://b/a b", "expected printable ASCII"},
                                                     {"http://b/\x7f", "expected printable ASCII"},
                                                     {"http://b/\u00fc", "expected printable ASCII"},
                                                     {"http://b\\c/", "expected printable ASCII"},
                                                     {"ftp://b/", "expected http://HOST"},
                                                     {"b/c", "expected http://HOST"},
                                                     {"http://a@b/", "expected a host without a user's name"},
                                                     {"http://b%/", "expected a host's name"},
                                                     {"http://b:0/", "expected a port of 1 to 65535"},
                                                     {"http://b:80:81/", "expected a port of 1 to 65535"},
                                                     {"http://[::g]", "expected a host's name"}};
  for (const auto& [url, problem] : all) {
    EXPECT_TRUE(refused(ErrorCode::usage, {std::string("the URL: ") + problem}, [&, text = url] {
      Network({}).check(text);
    })) << url;
  }
}

TEST(NastyUrls, AreNotQuoted) {
  for (const char* url : {"http://secret@b/", "http://secret:secret@b/", "http://b:0/secret", "secret://b/",
                          "http://b/secret b", "http://secret%/", "http://b/\\secret"}) {
    EXPECT_EQ(place_of(url), "") << url;
  }
}

}  // namespace
}  // namespace glm
