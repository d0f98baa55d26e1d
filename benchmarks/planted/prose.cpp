#include "benchmarks/planted/prose.hpp"

#include <sstream>
#include <string_view>

#include "benchmarks/planted/syllables.hpp"

namespace assay::planted {
namespace {

using Pool = std::vector<std::string>;

Pool words(const char* text) {
  Pool out;
  std::istringstream in(text);
  for (std::string word; in >> word;) out.push_back(word);
  return out;
}

/// The pools behind the letters of the sentence patterns.
struct Lexicon {
  Pool noun = words(
      "anchor apron attic barrel basin basket bell bench blanket boat bottle bridge broom bucket button "
      "cabin candle "
      "canoe carpet cart cellar chain chalk chest chimney clock cloak coin compass cradle crate cup curtain "
      "desk door "
      "drawer drum engine envelope fence ferry field flag flute fork fountain furnace garden gate glove "
      "granary hammer "
      "harbour hat hedge helmet hinge inkwell jar kettle key kite ladder lamp lantern ledger lens letter "
      "loom map mast "
      "mill mirror mitten mosaic needle nest net notebook oar orchard organ oven paddle parcel path pebble "
      "piano "
      "pillow pipe plank plough pond pulley quilt raft rail ribbon ring road roof rope rudder saddle sail "
      "scarf "
      "shed shelf shovel sieve sledge spade spoon stable stair statue stool stove tablet tent thimble tile "
      "torch tower "
      "trumpet tunnel umbrella valve vase wagon wall well wheel whistle window workshop yarn");
  Pool plural = words(
      "acorns apples arrows badgers beads beans berries birds books boots bricks candles cards carrots "
      "cattle chairs "
      "cherries clouds coins cranes crickets ducks eggs feathers figs flowers foxes geese goats grapes "
      "herons horses "
      "jewels kittens lambs leaves lemons maps masks moths mushrooms nails nuts olives onions orders oxen "
      "papers "
      "pears pigeons plums poppies reeds robins roses sacks seeds shells songs sparrows stamps stones "
      "stories swans "
      "tales threads tools trout tulips turnips walnuts wasps weeds");
  Pool adjective = words(
      "amber ancient awkward blue brass brittle broad broken calm careful cheap clean clever cold copper "
      "crooked curious "
      "damp dark deep distant double dry dusty early empty faded famous fine flat fragile fresh gentle "
      "gilded glossy "
      "green grey heavy hidden hollow honest huge idle iron ivory large late lean light lonely loose loud "
      "low modest "
      "muddy narrow new noisy oaken odd old painted pale patient plain polished quick quiet rare red rough "
      "round rusty "
      "salty sharp silent silver simple slow small smooth soft solid square steep stiff strange sturdy sunny "
      "tall thin "
      "tidy tiny wide wild wooden yellow");
  Pool verb = words(
      "admired borrowed bought built buried carried carved chased cleaned collected copied counted covered "
      "decorated "
      "delivered described designed discovered dragged drew emptied examined exchanged filled finished "
      "followed found "
      "gathered guarded hid hung ignored inherited invented kept lent lifted lost measured mended moved "
      "noticed opened "
      "ordered painted patched planted polished praised prepared promised pulled pushed raised received "
      "repaired "
      "replaced rescued returned sealed searched sent sharpened sketched sold stored studied tested tied "
      "traded turned "
      "washed watched weighed wrapped");
  Pool adverb = words(
      "again alone already always badly barely boldly briefly calmly carefully cheerfully daily eagerly "
      "early easily "
      "often once openly patiently politely proudly quickly quietly rarely secretly seldom silently slowly "
      "softly "
      "soon suddenly together twice warmly weekly willingly");
  Pool place = words("behind beside below above near under beyond opposite inside outside");
  Pool time = words(
      "January February March April June July August September October November December spring summer "
      "autumn winter "
      "Monday Tuesday Thursday Friday Saturday Sunday");
  Pool number = words(
      "two three four five six seven eight nine ten eleven twelve thirteen fifteen twenty thirty forty");
  Pool trade = words(
      "baker barber brewer carpenter clerk cooper dyer farmer fisher gardener glazier hatter hunter judge "
      "mason miller "
      "nurse painter pilot porter potter printer sailor shepherd singer smith surgeon tailor tanner teacher "
      "tinker "
      "weaver");
  Pool feeling = words(
      "angry anxious ashamed bored cheerful content doubtful eager grateful hopeful jealous lonely nervous "
      "pleased proud "
      "puzzled relieved restless sad shy surprised thankful tired worried");
};

const Lexicon& lexicon() {
  static const Lexicon pools;
  return pools;
}

/// Sentence patterns. Letters: N noun, S plural, A adjective, V verb, D adverb, L preposition of place, T
/// time, # number, P one of the document's people, Q another of them, C one of its towns, R trade, F feeling.
/// A letter stands for a word only when nothing but punctuation touches it.
const std::vector<std::string_view>& patterns() {
  static const std::vector<std::string_view> pool = {
      "The A N L the N V the S of C .",
      "P V the A N and D V # S .",
      "In T , P V a N for the R of C .",
      "Nobody in C knew why Q V the N .",
      "Q , the R , was F because the N was A .",
      "# A S lay L the N until P V them .",
      "When the N broke , P D V another from a R .",
      "The R from C V P a A N .",
      "Every T the people of C V their S L the A N .",
      "P and Q V the N , yet the S stayed A .",
      "It was a A T , and the S were A .",
      "Long ago a R V this N with # S .",
      "Q D V that the N in C was A .",
      "After T the N was V D by a F R .",
      "P wrote to Q about the A N and the # S .",
      "There was a N L the A N , full of S .",
      "Without the N , Q could not have V the S .",
      "The road to C passed a A N , # S and a N .",
      "A F R V the S and D V the N .",
      "P thought the A N belonged to the R .",
      "For # years Q V S L the N in C .",
      "The N cost # S , which made P F .",
      "By T the A S had been V and the N was A .",
      "Some said that P V it ; others blamed the R of C .",
  };
  return pool;
}

const Pool* pool_of(char letter) {
  const Lexicon& lex = lexicon();
  switch (letter) {
    case 'N':
      return &lex.noun;
    case 'S':
      return &lex.plural;
    case 'A':
      return &lex.adjective;
    case 'V':
      return &lex.verb;
    case 'D':
      return &lex.adverb;
    case 'L':
      return &lex.place;
    case 'T':
      return &lex.time;
    case '#':
      return &lex.number;
    case 'R':
      return &lex.trade;
    case 'F':
      return &lex.feeling;
    default:
      return nullptr;
  }
}

/// The names a document speaks of.
struct Cast {
  Pool people, towns;
};

std::string sentence(Random& random, const Cast& cast) {
  std::istringstream in{std::string(patterns()[static_cast<std::size_t>(random.below(patterns().size()))])};
  const auto hero = static_cast<std::size_t>(random.below(cast.people.size()));
  const std::size_t other = (hero + 1) % cast.people.size();
  std::string out;
  bool after_article = false;
  for (std::string token; in >> token;) {
    std::string word = token;
    if (token.size() == 1) {
      const char letter = token.front();
      if (letter == 'P') word = cast.people[hero];
      if (letter == 'Q') word = cast.people[other];
      if (letter == 'C') word = random.pick(cast.towns);
      // "A" is the adjective's letter and an article; the article stands at the beginning only.
      if (const Pool* pool = pool_of(letter); pool != nullptr && !(letter == 'A' && out.empty()))
        word = random.pick(*pool);
    }
    const bool mark = word == "." || word == "," || word == ";";
    if (after_article && std::string_view("aeiou").find(word.front()) != std::string_view::npos) out += 'n';
    after_article = word == "a" || word == "A";
    if (!out.empty() && !mark) out += ' ';
    out += word;
  }
  if (out.front() >= 'a' && out.front() <= 'z') out.front() = static_cast<char>(out.front() - 'a' + 'A');
  return out;
}

}  // namespace

Prose::Prose(std::uint64_t seed) {
  WordMaker maker(Random(seed, "prose/names"));
  people_ = maker.make(240, {2, 2, true, {}});
  towns_ = maker.make(120, {1, 2, true, {"ford", "wick", "ham", "mouth", "stead", "dale"}});
}

std::string Prose::document(Random& random, std::uint64_t words_min, std::uint64_t spread) const {
  Cast cast;
  for (int i = 0; i < 3; ++i) cast.people.push_back(random.pick(people_));
  for (int i = 0; i < 2; ++i) cast.towns.push_back(random.pick(towns_));
  const std::uint64_t wanted = words_min + random.below(spread + 1);
  std::string out;
  std::uint64_t count = 0;
  while (count < wanted) {
    const std::string next = sentence(random, cast);
    count += word_count(next);
    if (!out.empty()) out += ' ';
    out += next;
  }
  return out;
}

std::uint64_t word_count(const std::string& text) {
  std::uint64_t count = 0;
  bool inside = false;
  for (const char c : text) {
    if (c == ' ') {
      inside = false;
    } else if (!inside) {
      inside = true;
      ++count;
    }
  }
  return count;
}

}  // namespace assay::planted
