"""What nano draws: things, colours, backgrounds, layouts, and the captions that say so.

The layout is a function of the caption and the picture's size, so that the prior's tokens are one too.
"""
import random
from dataclasses import dataclass

SUBJECTS = {
    "apple": "🍎", "banana": "🍌", "orange": "🍊", "lemon": "🍋", "watermelon": "🍉", "bunch of grapes": "🍇",
    "strawberry": "🍓", "pair of cherries": "🍒", "pineapple": "🍍", "pear": "🍐", "peach": "🍑", "avocado": "🥑",
    "tomato": "🍅", "carrot": "🥕", "corn cob": "🌽", "mushroom": "🍄", "broccoli": "🥦", "slice of pizza": "🍕",
    "hamburger": "🍔", "birthday cake": "🎂", "cupcake": "🧁", "donut": "🍩", "cookie": "🍪", "ice cream": "🍦",
    "loaf of bread": "🍞", "piece of cheese": "🧀", "fried egg": "🍳", "cup of coffee": "☕", "cat": "🐱",
    "dog": "🐶", "fox": "🦊", "bear": "🐻", "panda": "🐼", "koala": "🐨", "tiger": "🐯", "lion": "🦁", "cow": "🐮",
    "pig": "🐷", "frog": "🐸", "monkey": "🐵", "rabbit": "🐰", "mouse": "🐭", "chick": "🐤", "penguin": "🐧",
    "owl": "🦉", "fish": "🐟", "tropical fish": "🐠", "whale": "🐳", "dolphin": "🐬", "octopus": "🐙", "crab": "🦀",
    "turtle": "🐢", "snail": "🐌", "butterfly": "🦋", "bee": "🐝", "ladybug": "🐞", "elephant": "🐘", "horse": "🐴",
    "unicorn": "🦄", "snake": "🐍", "tree": "🌳", "pine tree": "🌲", "palm tree": "🌴", "cactus": "🌵",
    "sunflower": "🌻", "rose": "🌹", "tulip": "🌷", "sun": "🌞", "moon": "🌙", "cloud": "☁️", "rainbow": "🌈",
    "snowman": "⛄", "fire": "🔥", "planet earth": "🌍", "car": "🚗", "bus": "🚌", "train": "🚂", "airplane": "✈️",
    "rocket": "🚀", "sailboat": "⛵", "bicycle": "🚲", "house": "🏠", "castle": "🏰", "soccer ball": "⚽",
    "basketball": "🏀", "balloon": "🎈", "gift box": "🎁", "umbrella": "☂️", "key": "🔑", "book": "📕",
    "alarm clock": "⏰", "guitar": "🎸", "robot": "🤖", "ghost": "👻", "alien": "👽", "crown": "👑", "top hat": "🎩",
    "light bulb": "💡", "gem": "💎", "smiley face": "😀", "skull": "💀",
}
OTHER_NAMES = {
    "bunch of grapes": "grapes", "pair of cherries": "cherries", "slice of pizza": "pizza",
    "hamburger": "burger", "birthday cake": "cake", "fried egg": "egg", "cup of coffee": "coffee",
    "dog": "puppy", "cat": "kitten", "rabbit": "bunny", "soccer ball": "football", "gift box": "gift",
    "sailboat": "boat", "bicycle": "bike", "airplane": "plane", "apple": "red apple", "car": "red car",
    "alarm clock": "clock", "smiley face": "smiley", "piece of cheese": "cheese",
}
MASS_NOUNS = {"pizza", "coffee", "grapes", "cherries", "cheese", "broccoli", "ice cream", "fire", "planet earth"}
SHAPES = ["circle", "square", "triangle", "star", "heart", "diamond"]
THINGS = list(SUBJECTS) + SHAPES
COLOURS = {"white": (250, 250, 250), "black": (24, 24, 28), "gray": (140, 144, 150), "red": (222, 44, 48),
           "orange": (245, 140, 30), "yellow": (250, 216, 60), "green": (60, 170, 75), "blue": (45, 105, 215),
           "purple": (130, 65, 180), "pink": (245, 150, 185), "brown": (130, 85, 50)}
COLOUR_NAMES = list(COLOURS)
WHITE, BLACK = 0, 1
# Bands from top to bottom: (where it ends as a share of the height, colour at its top, colour at its bottom).
SCENES = {
    "on the grass": [(0.56, (120, 190, 245), (205, 232, 250)), (1, (110, 190, 80), (60, 140, 50))],
    "on the beach": [(0.42, (110, 190, 245), (190, 228, 250)), (0.6, (40, 140, 205), (80, 185, 215)),
                     (1, (240, 220, 160), (225, 195, 130))],
    "at night": [(1, (12, 14, 45), (35, 40, 95))],
    "in the snow": [(0.56, (165, 200, 230), (215, 230, 242)), (1, (245, 250, 255), (225, 235, 245))],
    "on the sea": [(0.5, (130, 200, 245), (215, 238, 250)), (1, (35, 120, 190), (15, 70, 140))],
    "at sunset": [(0.62, (95, 55, 120), (250, 160, 80)), (1, (70, 50, 75), (35, 25, 45))],
}
SCENE_NAMES = list(SCENES)
BACKGROUNDS = COLOUR_NAMES + SCENE_NAMES
SIZES = [(256, 256), (384, 256), (256, 384), (512, 512)]   # width, height
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
LONGEST_WORD = 6
WORDS = """
HI OK NO YES CAT DOG SUN LOVE ART CUP CAR BUS FUN BIG RED BLUE HELP STOP GO NEW OPEN EXIT HOME SALE FREE HOT ICE
TEA ZOO BEE FOX KEY MAP TOY WOW JOY NANO GLM AI CPU GPU TOP ONE TWO TEN MOON STAR FISH BIRD TREE GAME MUSIC
HELLO WORLD HAPPY CAKE PIZZA BOOK KING QUEEN ROAD CITY PARK SHOP CAFE BAR WATER FIRE EARTH WIND LIGHT NIGHT
GREEN SUMMER WINTER SPRING MONDAY PAPER HOUSE RIVER OCEAN BEACH SNOW RAIN CLOUD APPLE LEMON PEACH BREAD SUGAR
JAZZ ROCK DANCE PARTY 2024 2025 2026 100 24H 4X4 R2D2 B52""".split()

EDGE = 60   # pixels of a picture of 256: from its edge to the middle of a thing that stands there
POSITIONS = {"left": "on the left", "right": "on the right", "top": "at the top", "bottom": "at the bottom",
             "top left": "in the top left corner", "top right": "in the top right corner",
             "bottom left": "in the bottom left corner", "bottom right": "in the bottom right corner"}
COUNTS = {"two": 2, "three": 3, "four": 4}
LAYOUTS = ["centre", *POSITIONS, "pair", "stack", *COUNTS, "word"]


@dataclass(frozen=True)
class Scene:
    """A picture to be: which things stand where, on what, with which word."""
    layout: str
    things: tuple          # (index in THINGS, index in COLOUR_NAMES or -1) for each place of the layout
    background: int        # index in BACKGROUNDS
    word: str = ""
    word_colour: int = -1  # index in COLOUR_NAMES


@dataclass(frozen=True)
class Edit:
    """From a picture to a picture: text says what to do with the source."""
    source: Scene
    target: Scene
    text: str
    kind: str   # background, colour or word


def places(layout, width, height):
    """Middle and side of each thing: [(x, y, side)] in pixels of a picture of width x height; sides are even."""
    k = min(width, height) // 256
    x, y, near = width // 2, height // 2, EDGE * k
    quarter, last_quarter = (width // 4, height // 4), (width - width // 4, height - height // 4)
    if layout in POSITIONS:
        words = layout.split()
        x = near if "left" in words else width - near if "right" in words else x
        y = near if "top" in words else height - near if "bottom" in words else y
        return [(x, y, 104 * k)]
    return {
        "centre": [(x, y, 136 * k)],
        "pair": [(quarter[0], y, 112 * k), (last_quarter[0], y, 112 * k)],
        "two": [(quarter[0], y, 112 * k), (last_quarter[0], y, 112 * k)],
        "stack": [(x, quarter[1], 112 * k), (x, last_quarter[1], 112 * k)],
        "three": [(width // 6, y, 80 * k), (x, y, 80 * k), (width - width // 6, y, 80 * k)],
        "four": [(a, b, 104 * k) for b in (quarter[1], last_quarter[1]) for a in (quarter[0], last_quarter[0])],
        "word": [],
    }[layout]


def letter_boxes(layout, letters, width, height):
    """Left, top, width and height of each letter's box; a word alone stands in the middle, else below the thing."""
    k = min(width, height) // 256
    box, tall = (72 * k, 112 * k) if layout == "word" and letters <= 3 else (40 * k, 64 * k)
    y = height // 2 if layout == "word" else height - 34 * k
    left = width // 2 - letters * box // 2
    return [(left + i * box, y - tall // 2, box, tall) for i in range(letters)]


def differs(colour, other):
    """Whether two (r, g, b) can be told apart."""
    return sum(abs(a - b) for a, b in zip(colour, other)) > 110


def is_seen_on(colour, background):
    """Whether a thing of this colour (an index) is seen on the background (an index)."""
    shown = COLOURS[COLOUR_NAMES[colour]]
    if background < len(COLOUR_NAMES):
        return differs(shown, COLOURS[COLOUR_NAMES[background]])
    return all(differs(shown, edge) for _, top, bottom in SCENES[BACKGROUNDS[background]] for edge in (top, bottom))


def plural(noun):
    if " of " in noun:
        head, rest = noun.split(" of ", 1)
        return f"{plural(head)} of {rest}"
    irregular = {"mouse": "mice", "tomato": "tomatoes", "loaf": "loaves", "cherries": "cherries", "grapes": "grapes"}
    if noun in irregular or noun.endswith("fish") or noun in MASS_NOUNS:
        return irregular.get(noun, noun)
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + ("es" if noun.endswith(("x", "s", "ch")) else "s")


def noun_of(thing, rnd):
    index, colour = thing
    name = THINGS[index]
    if colour >= 0:
        return f"{COLOUR_NAMES[colour]} {name}"
    return OTHER_NAMES[name] if name in OTHER_NAMES and rnd.random() < 0.3 else name


def with_article(noun, rnd):
    if noun in MASS_NOUNS:
        return noun if rnd.random() < 0.6 else f"some {noun}"
    if noun in ("sun", "moon") and rnd.random() < 0.5:
        return f"the {noun}"
    if rnd.random() < 0.04:
        return f"one {noun}"
    return ("an " if noun[0] in "aeiou" and not noun.startswith("uni") else "a ") + noun


def background_text(background, rnd, may_be_silent=True):
    """A part such as " on a blue background" or " at night"; white may stay unsaid."""
    name = BACKGROUNDS[background]
    if background >= len(COLOUR_NAMES):
        return f" {name}"
    if background == WHITE and may_be_silent and rnd.random() < 0.5:
        return ""
    return f" on a{'n' if name == 'orange' else ''} {name} background"


def quoted(word, rnd):
    return rnd.choice(['"%s"'] * 6 + ["'%s'", "“%s”"]) % word


def caption(scene, rnd):
    """One of the ways to say what is in the picture."""
    behind = background_text(scene.background, rnd)
    nouns = [noun_of(thing, rnd) for thing in scene.things]
    colour = COLOUR_NAMES[scene.word_colour]
    in_colour = "" if scene.word and scene.word_colour == BLACK and rnd.random() < 0.5 else f" in {colour}"
    if scene.layout == "word":
        kind = "word" if len(scene.word) > 1 else "number" if scene.word.isdigit() else "letter"
        text = rnd.choice([f"the {kind} "] * 3 + ["the text ", "a sign that says "])
        text += quoted(scene.word, rnd) + in_colour + behind
    elif scene.word:
        joint = rnd.choice([" and the word ", " with the word ", " above the word "])
        text = with_article(nouns[0], rnd) + joint + quoted(scene.word, rnd) + in_colour + behind
    elif scene.layout == "pair":
        a, b = (with_article(noun, rnd) for noun in nouns)
        text = rnd.choice([f"{a} and {b}"] * 3 + [f"{a} next to {b}"] * 2 +
                          [f"{a} to the left of {b}", f"{b} to the right of {a}"]) + behind
    elif scene.layout == "stack":
        a, b = (with_article(noun, rnd) for noun in nouns)
        text = rnd.choice([f"{a} above {b}"] * 2 + [f"{b} below {a}"]) + behind
    elif scene.layout in COUNTS:
        number = str(COUNTS[scene.layout]) if rnd.random() < 0.2 else scene.layout
        text = f"{number} {plural(nouns[0])}{behind}"
    elif scene.layout in POSITIONS:
        where = f" {POSITIONS[scene.layout]}"
        text = with_article(nouns[0], rnd) + (where + behind if rnd.random() < 0.6 else behind + where)
    else:
        text = with_article(nouns[0], rnd) + behind
    return decorated(text, rnd)


def decorated(text, rnd):
    if rnd.random() < 0.1:
        text = rnd.choice(["a picture of ", "an image of ", "a drawing of ", "draw "]) + text
    if rnd.random() < 0.15:
        text = text[0].upper() + text[1:]
    return text + "." if rnd.random() < 0.08 else text


def random_word(rnd):
    if rnd.random() < 0.4:
        return rnd.choice(WORDS)
    length = rnd.choice([1, 2, 3, 3, 4, 4, 5, 5, 6, 6])
    letters = ALPHABET if rnd.random() < 0.4 else ALPHABET[:26]
    return "".join(rnd.choice(letters) for _ in range(length))


def random_thing(rnd, background, shape=None):
    if shape is None and rnd.random() >= 0.17:
        return rnd.randrange(len(SUBJECTS)), -1
    return len(SUBJECTS) + rnd.randrange(len(SHAPES)), random_colour(rnd, background)


def random_colour(rnd, background, other_than=-1):
    return rnd.choice([c for c in range(len(COLOUR_NAMES)) if c != other_than and is_seen_on(c, background)])


def random_background(rnd):
    if rnd.random() < 0.35:
        return len(COLOUR_NAMES) + rnd.randrange(len(SCENE_NAMES))
    return WHITE if rnd.random() < 0.25 else rnd.randrange(len(COLOUR_NAMES))


def random_scene(rnd, layout=None, word=None):
    """A scene of the given layout, with a word or without; both are drawn where they are None."""
    if layout is None:
        layout = rnd.choices(["centre", "position", "pair", "stack", "count", "word"], [44, 12, 13, 5, 13, 13])[0]
        layout = {"position": rnd.choice(list(POSITIONS)), "count": rnd.choice(list(COUNTS))}.get(layout, layout)
    if word is None:
        word = layout == "word" or (layout == "centre" and rnd.random() < 0.25)
    while True:
        background = random_background(rnd)
        seen = [c for c in range(len(COLOUR_NAMES)) if is_seen_on(c, background)]
        if len(seen) > 1:
            break
    things = tuple(random_thing(rnd, background) for _ in places(layout, 256, 256))
    if layout in COUNTS:
        things = things[:1] * len(things)
    while layout in ("pair", "stack") and things[0] == things[1]:
        things = (things[0], random_thing(rnd, background))
    return Scene(layout, things, background, random_word(rnd) if word else "", rnd.choice(seen) if word else -1)


def random_edit(rnd, kind=None):
    """A source with one thing in the middle, and the same with another background, colour, or a word."""
    kind = kind or rnd.choices(["background", "colour", "word"], [45, 25, 30])[0]
    while True:
        source = random_scene(rnd, "centre", word=False)
        index, colour = source.things[0]
        if kind == "colour" and colour < 0:
            source = Scene("centre", (random_thing(rnd, source.background, shape=True),), source.background)
            index, colour = source.things[0]
        noun = THINGS[index]
        if kind == "background":
            target = Scene("centre", source.things, random_background(rnd))
            if target.background == source.background or (colour >= 0 and not is_seen_on(colour, target.background)):
                continue
            where = background_text(target.background, rnd, may_be_silent=False)
            name = BACKGROUNDS[target.background]
            said = ([f"the same{where}", f"put it{where}"] if name in SCENES else
                    [f"change the background to {name}", f"make the background {name}"])
            text = rnd.choice([f"the same {noun}{where}", *said])
        elif kind == "colour":
            if sum(is_seen_on(c, source.background) for c in range(len(COLOUR_NAMES))) < 2:
                continue
            target = Scene("centre", ((index, random_colour(rnd, source.background, colour)),), source.background)
            name = COLOUR_NAMES[target.things[0][1]]
            text = rnd.choice([f"make it {name}", f"make the {noun} {name}", f"the same {noun} in {name}"])
        else:
            target = Scene("centre", source.things, source.background, random_word(rnd),
                           random_colour(rnd, source.background))
            name, word = COLOUR_NAMES[target.word_colour], quoted(target.word, rnd)
            text = rnd.choice([f"add the word {word} in {name}", f"the same {noun} with the word {word} in {name}"])
        return Edit(source, target, text, kind)


def held_prompts():
    """The 200 prompts of the score, always the same, and kept out of training.

    [(kind, width, height, caption, Scene or Edit)]
    """
    rnd = random.Random(2611)
    wanted = ([("subject", "centre", False)] * 60 + [("shape", "centre", False)] * 24 +
              [("position", None, False)] * 14 + [("pair", "pair", False)] * 12 + [("stack", "stack", False)] * 6 +
              [("count", None, False)] * 24 + [("word", "word", True)] * 20 +
              [("subject and word", "centre", True)] * 10)
    prompts, seen = [], set()
    while len(prompts) < len(wanted):
        kind, layout, word = wanted[len(prompts)]
        layout = layout or rnd.choice(list(POSITIONS) if kind == "position" else list(COUNTS))
        scene = random_scene(rnd, layout, word)
        if scene in seen or (kind in ("subject", "shape") and (scene.things[0][1] >= 0) != (kind == "shape")):
            continue
        seen.add(scene)
        width, height = SIZES[rnd.choices(range(4), [70, 10, 10, 10])[0]]
        prompts.append((kind, width, height, caption(scene, rnd), scene))
    for kind in ["background"] * 14 + ["colour"] * 8 + ["word"] * 8:
        edit = random_edit(rnd, kind)
        width, height = SIZES[rnd.choices(range(4), [70, 10, 10, 10])[0]]
        prompts.append((f"edit {kind}", width, height, edit.text, edit))
    return prompts


def held_scenes():
    return {item.target if isinstance(item, Edit) else item for *_, item in held_prompts()}
