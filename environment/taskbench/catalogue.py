"""The kinds of fictional tools that tool graphs are drawn from, and the values they are called with."""

from __future__ import annotations

from dataclasses import dataclass

from environment.invented_names import FIRM_HEAD, FIRM_TAIL, FIRST, LAST, PLACE_HEAD, PLACE_TAIL


@dataclass(frozen=True, slots=True)
class ToolKind:
    """A kind of tool and how people ask for it.

    `parameters` maps each name to its type. A kind that `gives` a type feeds every parameter of
    that type; `result` is how a request then speaks of what it gave. `clauses` are ways to ask,
    the first close to the description, the second not; `step` is the gold step.
    """

    ids: tuple[str, str]
    description: str
    parameters: dict[str, str]
    clauses: tuple[str, str]
    step: str
    gives: str = ""
    result: str = ""


KINDS = (
    ToolKind(
        ("find_phone_number", "phone_book"),
        "Find the phone number of a person",
        {"person": "person"},
        ("find the phone number of {person}", "look up how to call {person}"),
        "Find the phone number of {person}",
        gives="phone",
        result="that number",
    ),
    ToolKind(
        ("find_address", "address_book"),
        "Find the home address of a person",
        {"person": "person"},
        ("find the home address of {person}", "find out where {person} lives"),
        "Find the home address of {person}",
        gives="address",
        result="that address",
    ),
    ToolKind(
        ("search_train", "train_timetable"),
        "Search a train to a town on a day",
        {"town": "town", "day": "day"},
        ("search a train to {town} on {day}", "see how to go by rail to {town} on {day}"),
        "Search a train to {town} on {day}",
        gives="train",
        result="that train",
    ),
    ToolKind(
        ("search_recipe", "recipe_finder"),
        "Search a recipe for a dish",
        {"dish": "dish"},
        ("search a recipe for {dish}", "find out how to cook {dish}"),
        "Search a recipe for {dish}",
        gives="text",
        result="the recipe",
    ),
    ToolKind(
        ("check_weather", "weather_forecast"),
        "Check the weather in a town on a day",
        {"town": "town", "day": "day"},
        ("check the weather in {town} on {day}", "see if it will rain in {town} on {day}"),
        "Check the weather in {town} on {day}",
        gives="text",
        result="the forecast",
    ),
    ToolKind(
        ("translate_text", "text_translator"),
        "Translate a text into a language",
        {"text": "text", "language": "language"},
        ("translate {text} into {language}", "put {text} into {language}"),
        "Translate {text} into {language}",
        gives="text",
        result="the translation",
    ),
    ToolKind(
        ("scan_letter", "letter_scanner"),
        "Scan the letter from a sender",
        {"sender": "person"},
        ("scan the letter from {sender}", "make a digital copy of the letter from {sender}"),
        "Scan the letter from {sender}",
        gives="document",
        result="the scan",
    ),
    ToolKind(
        ("compare_prices", "price_comparison"),
        "Find the cheapest shop for a product",
        {"product": "product"},
        ("find the cheapest shop for {product}", "see who sells {product} for the least money"),
        "Find the cheapest shop for {product}",
        gives="shop",
        result="that shop",
    ),
    ToolKind(
        ("send_message", "text_message"),
        "Send a message to a phone number",
        {"message": "text", "number": "phone"},
        ("send {message} as a message to {number}", "text {message} to {number}"),
        "Send {message} as a message to {number}",
    ),
    ToolKind(
        ("make_call", "voice_call"),
        "Call a phone number",
        {"number": "phone"},
        ("call {number}", "ring {number}"),
        "Call {number}",
    ),
    ToolKind(
        ("order_taxi", "taxi_service"),
        "Order a taxi to an address at a time",
        {"address": "address", "time": "time"},
        ("order a taxi to {address} at {time}", "get me a cab to {address} at {time}"),
        "Order a taxi to {address} at {time}",
    ),
    ToolKind(
        ("send_parcel", "parcel_service"),
        "Send a parcel with an item to an address",
        {"item": "product", "address": "address"},
        ("send a parcel with {item} to {address}", "ship {item} to {address}"),
        "Send a parcel with {item} to {address}",
    ),
    ToolKind(
        ("reserve_seat", "seat_booking"),
        "Reserve a seat on a train for a passenger",
        {"train": "train", "passenger": "person"},
        ("reserve a seat on {train} for {passenger}", "make sure that {passenger} can sit on {train}"),
        "Reserve a seat on {train} for {passenger}",
    ),
    ToolKind(
        ("print_document", "document_printer"),
        "Print copies of a document",
        {"document": "document", "copies": "copies"},
        ("print {copies} copies of {document}", "put {document} on paper, {copies} times"),
        "Print {copies} copies of {document}",
    ),
    ToolKind(
        ("save_note", "notebook"),
        "Save a text as a note",
        {"content": "text"},
        ("save {content} as a note", "write down {content}"),
        "Save {content} as a note",
    ),
    ToolKind(
        ("order_product", "online_shop"),
        "Order a product from a shop",
        {"product": "product", "shop": "shop"},
        ("order {product} from {shop}", "buy {product} from {shop}"),
        "Order {product} from {shop}",
    ),
    ToolKind(
        ("set_alarm", "alarm_clock"),
        "Set an alarm for a time",
        {"time": "time"},
        ("set an alarm for {time}", "wake me at {time}"),
        "Set an alarm for {time}",
    ),
    ToolKind(
        ("set_heating", "heating_control"),
        "Set the heating of a room to a temperature",
        {"room": "room", "degrees": "degrees"},
        ("set the heating of the {room} to {degrees} degrees", "make the {room} {degrees} degrees warm"),
        "Set the heating of the {room} to {degrees} degrees",
    ),
    ToolKind(
        ("play_song", "music_player"),
        "Play a song in a room",
        {"song": "song", "room": "room"},
        ("play the song {song} in the {room}", "let me hear {song} in the {room}"),
        "Play the song {song} in the {room}",
    ),
    ToolKind(
        ("reserve_table", "table_booking"),
        "Reserve a table at a restaurant for a time",
        {"restaurant": "restaurant", "time": "time"},
        ("reserve a table at {restaurant} for {time}", "let us eat at {restaurant} at {time}"),
        "Reserve a table at {restaurant} for {time}",
    ),
    ToolKind(
        ("pay_bill", "bill_payment"),
        "Pay a bill from an account",
        {"bill": "bill", "account": "account"},
        ("pay the {bill} bill from the {account} account", "settle the {bill} bill with the {account} account"),
        "Pay the {bill} bill from the {account} account",
    ),
    ToolKind(
        ("water_garden", "garden_sprinkler"),
        "Water a part of the garden for some minutes",
        {"part": "part", "minutes": "minutes"},
        ("water the {part} for {minutes} minutes", "give the {part} water for {minutes} minutes"),
        "Water the {part} for {minutes} minutes",
    ),
)

STREETS = ("Elm", "Oak", "Mill", "Church", "River", "Station", "Garden", "Harbor", "Tower", "Bridge", "Market")
TEXTS = (
    "the meeting moved to Friday",
    "dinner is ready",
    "the keys are under the mat",
    "I will be late tonight",
    "the parcel has arrived",
    "please bring the red folder",
    "the plumber comes at noon",
    "happy birthday",
    "the cat is in the garden",
    "see you at the station",
    "the test went well",
    "do not forget the tickets",
    "the door is locked",
    "we need more milk",
    "the band plays on Saturday",
    "thank you for the flowers",
)
WORDS: dict[str, tuple[str, ...]] = {
    "person": tuple(f"{first} {last}" for first in FIRST for last in LAST),
    "phone": tuple(f"555-0{number}" for number in range(100, 200)),
    "address": tuple(f"{number} {street} Street" for number in range(2, 60) for street in STREETS),
    "town": tuple(head + tail for head in PLACE_HEAD for tail in PLACE_TAIL),
    "train": tuple(f"train R{number}" for number in range(11, 60)),
    "day": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "time": tuple(f"{hour}:{minute}" for hour in range(7, 22) for minute in ("00", "15", "30", "45")),
    "dish": ("mushroom soup", "lemon cake", "onion pie", "bean stew", "fish curry", "plum dumplings", "rice salad"),
    "text": TEXTS,
    "language": ("French", "Spanish", "Danish", "Polish", "Greek", "Turkish", "Welsh", "Finnish"),
    "product": ("blue paint", "walnut oil", "wool socks", "copper wire", "garden gloves", "oak boards", "tea cups"),
    "shop": tuple(f"{head} {tail}" for head in FIRM_HEAD for tail in FIRM_TAIL),
    "document": ("rent contract", "invoice", "travel plan", "guest list", "floor plan", "user guide"),
    "copies": tuple(str(number) for number in range(2, 13)),
    "room": ("kitchen", "bedroom", "bathroom", "office", "hall", "cellar", "attic", "workshop"),
    "degrees": tuple(str(number) for number in range(16, 25)),
    "song": ("Silent Harbor", "Paper Moon River", "Golden Road", "Midnight Clock", "Winter Garden", "Distant Bells"),
    "restaurant": ("The Copper Pot", "Villa Rosa", "The Old Ferry", "Green Lantern", "Casa Luna", "The Salt Mill"),
    "bill": ("water", "gas", "phone", "dentist", "power", "repair"),
    "account": ("savings", "family", "business", "travel", "holiday"),
    "part": ("roses", "lawn", "herb bed", "apple trees", "hedge", "tomatoes"),
    "minutes": tuple(str(number) for number in range(5, 35, 5)),
}
SHOWN = {"text": "'{}'", "song": "'{}'", "document": "the {}"}
"""How a request shows a value of a type; others are shown as they are."""
OPENINGS = ("", "Please ", "Could you ", "I want you to ", "Today I need you to ")
JOININGS = {
    1: ("{}",),
    2: ("{} and {}", "{}, then {}", "{} and after that {}"),
    3: ("{}, {} and {}", "{}, then {}, then {}", "{}, after that {}, and at last {}"),
}
"""How a request of one, two or three clauses is put together."""
