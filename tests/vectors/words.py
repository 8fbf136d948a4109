#!/usr/bin/env python3
"""Makes src/proto/words.txt, the list that generated codes are drawn from.

    apt-get install scowl
    python3 tests/vectors/words.py > src/proto/words.txt

The source is SCOWL (Spell Checker Oriented Word Lists), which is free for any use; its sizes 10, 20 and 35 are the
commonest English words in that order. The rules below keep words that survive being read out over a telephone:

  * 4 to 7 lower-case ASCII letters;
  * no inflected form of another word (plurals, -ed, -ing, -er, -est, -ly, ...), no British or American spelling;
  * no two that sound alike (a crude phonetic key must be unique, and known homophones go);
  * the first four letters are unique, and any two words differ in at least two letters;
  * nothing a person would mind reading to a colleague, a customer or a child.

The list is part of the protocol only as far as drawing goes: what is typed is compared as text, so a later list
may differ without breaking anything.
"""

import re
import sys

SOURCE = "/usr/share/dict/scowl/%s-words.%d"
SIZES = (10, 20, 35)
COUNT = 2048
LENGTHS = range(4, 8)
# Common words first, but of those the short and easy ones: a size counts this much in letters.
SIZE_COST = {10: 0.0, 20: 1.0, 35: 2.0}

VARIANTS = """color colour honor labor favor flavor harbor humor rumor vapor vigor tumor armor odor savor parlor valor rigor candor
fervor clamor rancor splendor behavior neighbor endeavor center meter liter fiber theater somber luster specter saber
gray grey tire tyre curb kerb check cheque plow plough draft draught program programme jewelry cozy cosy pajama pyjama
mold mould molt smolder mustache skeptic sceptic defense license licence offense practice practise pretense aluminum
airplane catalog dialog enroll fulfill install wool woolen draftsman story storey disk disc inquire enquire ensure
insure gauge gage jail gaol judgment maneuver mom mum math maths aging ageing cancel travel travel label level model
signal total fuel duel marvel pencil tunnel counsel equal spiral medal metal cipher cypher siphon syphon sirup syrup
sulfur sulphur tidbit whiskey whisky yogurt karat carat glycerin cigaret adviser advisor doughnut donut""".split()

HOMOPHONES = """piece peace brake break stair stare steal steel meat meet week weak heal heel sale sail tale tail waist waste weather
whether right write rite wright night knight knot not sea see sun son flour flower hair hare bear bare pair pear plain
plane main mane mail male pail pale rain reign rein road rode rose rows sole soul some sum their there threw through
throne thrown toe tow wait weight wear where which witch wood would wring ring bell belle berry bury board bored
bolder boulder bough bow bread bred bridal bridle ceiling sealing cell sell cellar seller cent scent sent cereal
serial chord cord cite site sight coarse course core corps creak creek crews cruise dear deer desert dessert dual duel
ewe you eye fair fare faze phase feat feet fir fur flea flee foul fowl gait gate grate great groan grown guessed guest
hall haul hear here heard herd higher hire him hymn hole whole hour our idle idol knead need knew new know lead led
leak leek lessen lesson load lode loan lone made maid maize maze medal meddle mince mints miner minor moan mown
morning mourning muscle mussel none nun oar ore pain pane passed past patience patients pause paws peak peek peal peel
pedal peddle peer pier plum plumb pole poll pore pour pray prey presence presents principal principle profit prophet
rap wrap raise rays read reed real reel rest wrest role roll root route rote wrote rough ruff sauce source scene seen
seam seem sew sow soar sore soot suit stake steak stationary stationery straight strait suite sweet team teem tear
tier thyme time tide tied told tolled troop troupe vain vein vale veil vary very waive wave ware way weigh yoke yolk
affect effect accept except advice advise allowed aloud altar alter ascent assent aisle isle bail bale ball bawl band
banned baron barren base bass baste beach beech beat beet been bean blew blue borough burrow boy buoy canvas canvass
capital capitol carrot cast caste chews choose choir quire chute shoot clause claws complement compliment council
currant current dew due discreet discrete draw drawer die dye earn urn elicit illicit faint feint find fined fisher
fissure flair flare forth fourth freeze frieze gilt guilt gorilla guerrilla grease greece hangar hanger hoard horde
hoarse horse hostel hostile jam jamb kernel colonel key quay lain lane leased least liar lyre lightning links lynx
loot lute manner manor mantel mantle marshal martial mast massed missed mist moat mote mode mowed mood mooed mustard
mustered naval navel pact packed palate palette pallet plait plate pride pried quarts quartz queue cue rapped rapt
retch wretch review revue rhyme rime roar rood rude rung wrung rye wry sac sack seas seize shear sheer slay sleigh
sleight slight staid stayed step steppe stile style storey surge serge swat swot symbol cymbal tacks tax taught taut
tense tents tern turn throes throws tic tick timber timbre tracked tract trussed trust vial vile wail whale wade
weighed warn worn wart weave weed whine wine whirl world word warden cannon canon collar caller muse mews bard barred
bazaar bizarre censor sensor cheap cheep cruel crewel dire dyer aural oral aerie airy lapse laps leach leech mask
masque mettle nave knave pride prize prise quince racket racquet raze sachet sweat tighten titan toad towed tuba tuber
vice vise wane wean wheel yore your ring wring canter cantor rabbit rabbet ladder latter metal mettle petal rider
writer winner dinner thinner loose lose quiet quite angel angle dairy diary formal former casual causal breath breathe
cloth clothe bath bathe envelop though thought thorough tough trough bury mousse moose lumber lumbar mussel pulse
sundae sunday pigeon pidgin lyre acts axe axes bases roam rome turkey turban sear seer waiver waver reek wreak rack
wrack wreck reck marry merry mary pleas please pros prose rays tease teas tees wax whacks whether wither""".split()

OFFENSIVE = """abort abortion abuse addict adultery aids alcohol anal anus arab army arms arson asian assault atheist atom atomic
attack axis bastard beast beat beaten beer bible bigot bishop bitch bitter black bleed blind blood bloody blow bomb
bong booze bosom bowel brandy breast brothel brown brute brutal bullet bully burial bust butcher butt buttock cadaver
cancer cannibal carcass casket castrate catholic chick chink christ church cigar coffin colored commie condom convict
coon corpse corrupt coward crap crash crazy creep crime cripple crisis cross crude cruel crush cult cunt curse cyst
dagger damn danger dark dead deadly deaf death deceit decease defeat deform demon despair destroy devil dictate dirt
dirty disease disgust divorce doom dope drug drugged drunk dumb dump dwarf dyke dying enemy epidemic erect erotic
escort evil execute exile expose faggot fairy faith fanatic fascist fatal fatty fear fecal felon femal female fetal
fetus fiend fight filth filthy finger flesh flog foetus fool foreign fornicate fraud freak fright fuck funeral gallows
gamble gang gas gay gender genital german ghetto ghost god goddess gore gospel grave gross guilty gunman gunner gypsy
hang harass harem harm hatch hate hatred heathen hell heretic heroin hick holy homo honkey hooker horny horrid horror
hostage hump hung hunger hurt hymen idiot ignorant ill immoral impotent incest indian infect inferno inject injure
injury insane insect insult intimate invade invader islam israel jail jerk jesus jew jewish jihad junkie junk kidnap
kill killer kinky kiss knife koran lame latin lazy leper lesbian lethal lewd liquor looter loser lover lunatic lust
lynch madam madman madness mafia maim male malice manhood maniac marijuana martyr massacre mate mature menace messiah
midget militia minority missile mistress mob molest mongol monster moron mosque mother murder muslim mutilate naked
nasty native nausea nazi needle negro nerd nigger nipple nude nuke nurse obese obscene occult oppress orgasm orgy
orient oriental orphan outlaw pagan panic pansy panties panty peasant pee peep penis pervert phallic phlegm piss
pistol plague poison police poop pope porn pot poverty pregnant priest prison prostitute prude psycho pubic puke
punish punk puppet pussy queer rabbi rabid race racial racism racist racy rape rapist rat rebel redneck refugee
religion revenge revolt rifle riot rob robber rogue rot rotten ruin sabotage sad sadist saint satan savage scalp scam
scar scare scream screw scum seduce semen semite senile sex sexist sexual sexy shame shit shoot shot shoulder shroud
sick sin sinful sissy skeleton skull slander slap slaughter slave slavery slay sleaze slit slut sly smell smut snake
snot sober sodomy sorrow spade spank sperm spit spook squaw stab starve steal sterile stiff stink stoned strange
strangle strap strike strip stroke stupid suck suffer suicide sultan swastika swear swine syringe taboo tampon tart
terror testicle theft thief threat thug tit toilet tomb torment torture toxic tragedy tragic traitor tramp trap trauma
trench troll turd twat tyrant ugly ulcer unholy urine vagina vampire vermin victim villain violate violent viper
virgin virus vomit voodoo vulgar vulture waste weapon weep weird wench whip white whore wicked widow witch womb worm
worse worst worthless wound wrath wreck wretch yankee yellow zealot bleak breach bribe brief burden burglar catch
cheat chaos choke clash coerce collapse combat condemn conflict conquer crack crisp cure custody decay defect defend
deny depress deprive despise deter detest disgrace dismay dispute distress doubt dread dreadful drown duty elite
ethnic evict expel expire fail failure false famine farce fault fever fiasco flaw flee foe forbid force forge frail
frantic fury futile fuss gloom gloomy greed greedy grief grim grudge grumble guilt havoc hazard helpless hoax hostile
ignore immune impair inept inferior insist jealous knock lament lawsuit lack loss miser misery missing mistake moan
mock mourn neglect nuisance odd offend ordeal outrage pain painful pathetic penalty perish peril petty pity plight
poor prey protest provoke quarrel rage reject regret remorse repress resent resign restrain retard rigid risk rival
rude ruthless sacrifice scandal scorn selfish severe shabby shock shout shy siege sinister skirt slump smash smear
snatch snob sorry spite spoil squalid stain stale stern strain stress struggle stubborn sue sullen surgery surgeon
suspect suspend sword tank tease temper tense terrible terrify timid tire trick trouble tumult tyranny uneasy unfair
unhappy upset useless vain vanish veto vicious war warfare warrior weak weary wicked worry wrong yell bondage thrust
tongue moist nylon lingerie stocking bikini blonde buxom flirt gaze grope hooked lick mount nuzzle probe pump rub
sensual shaft spread squirt straddle stripper tempt thigh throat tight touch undress vibrate wriggle ache agony
alarm alien allege ambush amputate anger angry anguish anthrax anxiety anxious appall arrest ashamed assail asylum
atrocity audit avenge awful awkward axe bandit banish barren batter bait belly betray bitch bladder blame bleach
blemish blister bloat blunder blunt boast boil bother bowels boycott brawl bruise budge bulge bump burial burn burst
cage capture careless casualty caution censor cess chain clumsy clog clot confess confuse contempt convict cough crawl
cringe critic crook cull cynic damage damp deficit dense derail destitute deviate devour dictator dim dire disdain
dismal distort ditch dizzy drastic drain droop drought dull dust eerie erase erode evade exploit fake fat feeble feud
fierce flame flood foil folly fraught freight frown frustrate fume germ glare glut grab grunt guard gun guts harsh
hassle haunt helmet hijack hinder hoard holocaust horrible humid hurdle hysteria idle impeach impede impose inferior
inflict inmate insure intrude irate jam jeer leak lie limp linger loath loathe lonely lose lousy lurk mad manic mess
mishap misuse mob moody mortal mortify mug mutant mutiny nag narcotic nervous numb obsess obsolete odor oppose ouch
oust overdue pale panther parasite patch pest petrol phobia pillage pollute ponder prick provoke puncture purge racket
ransom reckless rejection renegade repel retreat revoke rifle rip rubbish sag scold scrap scrape sewage sewer shatter
shred sinner slack slam slash sloppy slug smack smog smoke smug sneak sneer snore soak sore spasm spear spill spike
squash squat squeal stagnate stall stench sting stolen storm strife strand subvert sulk swamp swear swell swollen
tackle taint tantrum tarnish taunt tedious thrash throb torpedo tragic trample trash tremble trespass turmoil ulcer
unrest urge vague vandal vengeance venom vile volatile wail warn warp waste wither wrangle zombie corset pimp tobacco
nicotine cocaine opium vodka rum gin whiskey wine cocktail tavern casino lottery roulette marry bride groom wedding
wife husband girl lady woman women man men boy king queen prince empire emperor slave master servant maiden virgin
colony colonel soldier general military navy nuclear uranium plutonium radical politic election vote party left right
liberal conservative democrat republic communist socialist marx lenin stalin hitler union labor strike congress senate
senator minister preach pray prayer monk nun convent temple altar angel heaven divine sacred eternal soul spirit creed
clergy pastor psalm sermon crucify hebrew hindu buddha allah muhammad quran baptist mormon lord trinity vatican breed
breeder homosex hetero trans bisex climax orgasm fetish fondle foreplay kinky naughty nudist oral pelvis pelvic porno
rectum scrotum sodom spunk strapon tits titty topless vulva wank wanker balls bang blowjob boner boob booby bugger bum
bung cock cocky coitus crotch dick dildo dong douche ejacul enema fag fart fornic groin hardon horn hump jizz kink
knob labia laid lesbo libido mating menses mucus nookie nuts ovary ovum pad pants period pube rear rump rut sack
sausage seamen shag skank slapper slime snatch sphinx stool stud suckle swallow sweat sweaty testes thong tool tosser
trollop turd udder undies uterus vaginal veins wee weenie whack wiener willy crab lice louse maggot rodent vermin
roach leech tick mosquito plump chubby skinny fatso pig cow bimbo hag crone spinster gook wop kike spic paki dago jap
oriental mulatto negress eskimo savage cracker hillbilly hobo bum tramp vagrant moor turk greek welsh scot irish
polish spanish dutch french swiss swede china chinese japan asia africa african america english england europe texas
london paris""".split()

FUNCTION = """about above across after again against ahead almost alone along already also although always among amongst another
anybody anyhow anyone anything anyway anywhere apart around aside away back because been before behind being below
beneath beside besides between beyond both could does doing done down during each either else elsewhere enough even
ever every everybody everyone everything everywhere except from further furthermore gone hardly have having hence hers
herself himself however indeed inside instead into itself just less lest like likely many maybe mere might more
moreover most mostly much must myself near nearly neither never nevertheless next nobody none nonetheless nothing
nowhere often only onto other others otherwise ought ours ourselves over perhaps quite rather seldom several shall
shan should since some somebody somehow someone something sometime sometimes somewhat somewhere soon still such than
that thee their theirs them themselves then thence there thereby therefore these they thine this those though thou
thrice through throughout thus till together toward towards twice under unless unlike until unto upon usually very
want were what whatever when whence whenever where whereas whereby wherein wherever whether which whichever while
whilst whither whoever whole whom whose will with within without would yeah your yours yourself yourselves shalt hast
hath doth amid amidst albeit whereupon ergo else okay cannot ain't gonna wanna gotta hello amen alas damn bloody anti
semi quasi multi ultra meta vice versa etcetera ibid inter intra extra mega kilo nano pico null void byte bytes regex
config admin email website online offline internet""".split()

# What the rules let through and a reading by eye took out: bodies, ailments, faiths, insults, gloom, slang, irregular
# past tenses (heard as their present), and words with a second common spelling.
BY_EYE = """acing betcha cums cretin abduct anarchy aghast angst ashcan armpit barman bedbug bigamy bled carnal caress caviar
censure dirge dross dregs duff embryo exhaust fetid fester gasp ghastly ghoul hippie hiss hideous inborn irate lisp
mania mangle pudgy pedant sarcasm sari sassy sect sordid slum sly shirk terse tardy thieve toxin atheism abbot vicar
worship knee lymph kidney artery hernia herpes feces diaper uteri eczema asthma anemia dung juror egoism elitist
enmity drool dowdy dude frigid fungi grime grovel gruel gawk gnash jilt livid maul mange gibe ogle pesky quash rout
slant squalor wartime weest deaves beeves bootee cuing eked eking hoed twee fiche lemme kinda unman noone tepee geld
smote trod rued aback abysmal abhor abandon absurd abet accrue accuse aflame afraid ajar amoral amiss amok anon apathy
arose became began befall behead bemoan bemuse berth beset bestow bicker bleat blunt blitz boggle broke brought burnt
came cajole canker cant caught cavort chafe chaotic chasm chide chose chug churl clang coma con congest convict covet
cramp cranky crave crock croon cud culprit curt dally daub dawdle debt decoy deduce demean demure deport depose deride
derange derail despot destine detract devious dike ding dingy dirge dislike dismiss disown dispel disrupt disuse ditto
dodge dole dour doze drab drag drape drawn dreary drew drill dubious duly dunno duress dwell dwelt effigy eerie err
erred evict exempt exhume exult fallacy fang fatuous fearful fell fiend filch fizz flabby flail fleck flew flimsy
fling flog flown flung flunk foist forbade forgot fracas fret froze fume fungus furrow fuzz gaudy gaunt gave gander
garish giddy gimme girdle glib glut gnarl gooey gosh gouge grab grieve grill grisly grub gruff grumpy guffaw guile
gulp haggle hamper hark hectic heckle hermit hinge hoard hobnob holdup hog hover hungry hurtle hutch hyena hymn idle
impale impure inane incite incur inertia infest inflict influx insane intend invalid irk isolate itch jargon jolt kept
knelt known kooky lanky lank lament lash leapt lent lenient letup levee libel loath loot loud low lunge lurid lying
lump made malign mar marry maim meek meow messy mete mine miss mistook mitt mitten mock mope mourn morose mud muddle
mugger mundane murky mute naughty negate nil ninny nasal noose nifty nudge obey obscure offhand oath omit opiate
ouster overt owed paltry pang pariah parody peeve peon perish pester pew phase pious pitfall pity plea plod plunge
pluck pomp pounce prick pry prune prowl prod pseudo psych puff pulp pun puny pure putt quibble quirk rabble raid
rampant rancid rant rascal rasp rash raucous rave ravish raze relapse repent revel rife rigor ransack rob rod rogue
rotten rover rowdy ruddy rue ruffle rump rustle sank sap scald scant scare scat scatter scheme scoff scorch scour
scotch scourge scowl scrawl screech scrub scuff seethe seize shack shady shaky shun shook shove shrill shrug shut
shown sank slog sloth slouch slept skid skimp skulk skew slosh slung smirk smolder smother snag snarl snide snip
snivel snob snooze snoop snub snuff sob sop sought spat spawn spent spew splat spoke spoof sprain spurt sprung spur
squander squirm stagger stale stalk stammer stave steep steer stoic stood stodgy stoop stout strut struck stuck
stumble stump stung stunt stutter suave subdue succumb sulky sunk sultry surly swam swarm swat swipe swish swoop sworn
tacky tame tart tatter tedium tempt tethered thaw thief thorn threw thrown thud thwart tiff tilt timid tirade toil
tonight took torrid tout trap trauma trawl trek tremor trite trudge trump turmoil tussle twang twist tycoon unclean
uncouth uncut undid undo unfit unkind unload unlucky unread unrest unruly unsafe unset unsound unsure untidy untrue
upheaval upset uproar usurp vagary vacant vane vanity vermin vex vie villain vouch wacky waif wallow wane wart wary
waver weird whack wham wheeze whim whimper whine whoa whoop wilt wily wimp wince wobble woe woo wove wreak yank yap
yawn yell yelp yodel zilch analog encase enclose hiccup goodbye adapter annul artifact caliber distill instill
skillful traveler crass crude crone cue cult curfew dogma ghost guru harlot immense impend indict imp infant infer
insult jury knoll layout letdown lieu mankind mirth monarch morgue motto mutual nag nausea niece noxious opaque orphan
ouch outdo oust outcry oxen pagan papa parch peck perk pert pitiful plaque poke polite pollen pollute polyp preempt
prone pudgy puke pus quack quarry queasy quota radar ravage ravel raven rebuff rectify redo reek regime relic remnant
renegade reproof riddle ridicule rift rind riot ripe rival rogue rumpus runt sabre sallow satire savage scab scamp
seduce seizure semester serum sever shackle shiver shoddy shroud slain slapped sludge slur snare sneer sniff snort
soggy solemn somber sour spank sperm spleen spook squint staid stark startle stern stigma stint stooge stub stuffy
subset suds sullen surname swab swamp swerve swig swivel tacit tangle tangent taper tattle tavern tawdry tepid thug
toll tomb torrent totem transom trespass tribe trifle triplet tripe trance trooper tumor twinge twitch ulterior unpack
unborn undergo unhook union unwed urinal usury utter vagrant vegan vestige vigil villa vital vulgar wad wager wean
willow wiry wishful writhe yeast yeti yoga zealous zone boost boss bossy boozy bouncer bulge bursar bust cadet cahoots
caucus charade cheat chatter clique colon concede condone conceit console consent consume corny corrode crony cuddle
dandruff dastard debacle debris deem default defy degree delude delta deluge demerit denounce despite detain detour
dilute dodo drank drone drown dupe ebb ego elope embargo enrage enslave entice envy erode erupt evade eulogy exalt
exotic extort facade faucet ferret fetter fiddle flirt forgery freak frenzy frock fugue gable gag gall garble ghoul
glare goblin grimace groan grouch grudge gully gush habit haggard hail halt hapless harsh haughty havoc heave hefty
heroic heifer hooves horde huddle husk hustle imbibe imitate impede impel inept infidel ingrate innuendo jostle juggle
jumbo kinship laggard languid latch latent leer lechery lethargy loiter loner lull lush lynch macabre maroon massage
midriff milk misfit molar monsoon moron mumble murmur muscle musty muzzle mystic myth nape nectar neuter nomad notch
nourish nozzle obtuse oddity odious onset ordeal ornery orphan pajamas pallor pamper panty pelt penance penury perjury
petulant phantom pimple pigsty placate plunder porous poverty prank pristine procure prophet proxy purge quaint quiver
quell rankle ration ravine rebuke reckon refugee rehab repulse rescind retch retort revile revoke rhetoric roach
rubble ruckus rupture sadden salvage salvation satanic saunter scrape scream scruffy scurry seance shamble shanty
shatter shred simmer sinister skewer slander sleet slick slime sliver sloven slug smack smash smear smite smug smudge
snatch sneeze snicker snooty soiled spasm specter spicy spinal splurge squabble squawk squeak stampede stash steroid
stifle stingy strangle straggle stricken suckle sunder surmise swagger swindle symptom tantalize teeter tendon tetanus
thrash throttle tinge tingle toddler topple trample traverse treason truant tumble tyrant ulcer unload upheave
vagabond vapid varmint venom verbose vertigo viola vise volley voodoo waddle wicket widower wheedle whisk wrest
wrinkle yonder arrange strict heaven devout demon dick anal cock slip strip stroke hump nude hooch doper dwelling
lager grope abscess abstain adamant afflict ailment alimony ammonia amnesia amorous anemic aping apostle antonym
befell beheld chaste cram clung forgave fought grew gripe infamy infuse jersey kowtow larvae leeway lesion levity
litany loaves malady maria mayhem menial mildew morbid mucous mutate mutt napalm nitwit nudity outdid outran paid
pallid pantie papacy paunch pauper payoff pilfer piracy powwow purr putrid rectal redone rosary rotund ruing rumple
sadism savior scruff sewn shaggy sham shriek shrank slew sleazy slim sling slush smelt spouse spurn strum stupor swept
swum swung tattoo tell tenure theist toed tomboy toss toupee turgid typhus undue undone unjust unpaid uproot upheld
urchin vilify viral virile wanton waylay wolves yokel papyri fezzes deface deduct gout felt vend rebate jaded nepotism
nemesis decode encode egotist excrete fascism endways ting dent falsify faraway fatigue ferment fatality ferocity
famine fallout hand eyelid cheek nerve armada crybaby deprave defraud deify demount disobey dopiest earache egotism
elitism eyed selves ecstasy eardrum dissect sung wept wont cuticle rent crag vying tang slang embalm emetic ensnare
entrench dossier dormant dogwood ditty digress divulge abscond abyss avarice autopsy axing baptism bawdy beeper
berserk bombard bourbon cagiest carnage catcall caustic cholera clef cognac comrade coroner crofts dyed deity defame
doer droll feign bootleg brag iced illegal junta knives oases oneself oodles outrun pigpen pout pyre pirate redid
sheikh said sang stun tamper tonsil tryout unpick went doily biped polio nymph saliva torso sidle tying physic insofar
elves emir disloyal dungeon effusion elicit emaciate entrails evasion exorcise expunge extinct fascist felony flippant
furnace imitate inhuman cyanide diarrhea dropout dyslexia effete enamor corsage croquet cutback dearth decorum
decrepit detour egghead crusade culvert curate curator dimwit convent crucify czar deathly despair detritus devolve
disavow apparel arthritis unseen unsung unsay blown drawl curdle innate""".split()

UNFIT_PARTS = "fuck shit cunt rape nazi slut whor porn sex nigg fag piss kill murd dead slav jew gay homo hell tit".split()
UNFIT_PARTS_ALLOWED = "title titan shell hello grape drape sheller constitute jewel petite shelter practitioner".split()


def read(region, size):
    with open(SOURCE % (region, size), encoding="iso-8859-1") as lines:
        return {line.strip() for line in lines}


def inflected(word, known):
    """Whether the word is a form of another, so that a listener could hear either."""
    if re.search(r"[^s]s$", word) and (word[:-1] in known or word[:-2] in known):
        return True
    for end in ("ed", "er", "ing", "est", "ly", "able", "ish", "ness", "ful", "less", "en", "or", "al", "y", "ion", "ive"):
        stem = word[: -len(end)]
        if word.endswith(end) and len(stem) >= 3:
            forms = [stem, stem + "e"]
            if len(stem) > 3 and stem[-1] == stem[-2]:
                forms.append(stem[:-1])
            if stem[-1] == "i":
                forms.append(stem[:-1] + "y")
            if any(len(form) >= 3 and form in known for form in forms):
                return True
    return word.endswith(("ies", "ied", "ier", "ize", "ise", "yze", "yse", "our", "ogue", "men")) or bool(
        re.search(r"(ed|ing|ss?es)$", word) and len(word) > 5
    )


def sound(word):
    """A crude phonetic key: two words with the same key may be confused by ear."""
    key = word
    for pattern, by in (
        (r"^kn", "n"), (r"^wr", "r"), (r"^gn", "n"), (r"^ps", "s"), (r"^wh", "w"), (r"mb$", "m"), (r"mn$", "m"),
        (r"ph", "f"), (r"ght", "t"), (r"gh", "g"), (r"sch", "sk"), (r"tch", "ch"), (r"ck", "k"), (r"qu", "kw"),
        (r"x", "ks"), (r"c(?=[eiy])", "s"), (r"c(?!h)", "k"), (r"dge", "j"), (r"g(?=[eiy])", "j"), (r"z", "s"),
        (r"([^aeiou])e$", r"\1"), (r"(.)\1", r"\1"), (r"(ea|ee|ie|ei|ey|y)", "i"), (r"(ai|ay)", "e"),
        (r"(oa|ow|ou|oo|ew|ue|au|aw)", "o"), (r"(ar|er|ir|or|ur)$", "r"),
    ):
        key = re.sub(pattern, by, key)
    return key


def close(left, right):
    """Whether one edit (change, insertion, deletion) or a swap of neighbours turns one word into the other."""
    if abs(len(left) - len(right)) > 1:
        return False
    if len(left) == len(right):
        at = [i for i in range(len(left)) if left[i] != right[i]]
        return len(at) <= 1 or (
            len(at) == 2 and at[1] == at[0] + 1 and left[at[0]] == right[at[1]] and left[at[1]] == right[at[0]]
        )
    short, long = sorted((left, right), key=len)
    return any(long[:i] + long[i + 1 :] == short for i in range(len(long)))


def main():
    tiers = {size: read("english", size) | read("american", size) for size in SIZES}
    known = set().union(*tiers.values())
    unwanted = set(VARIANTS) | set(HOMOPHONES) | set(OFFENSIVE) | set(FUNCTION) | set(BY_EYE)
    candidates = []
    for size in SIZES:
        for word in tiers[size]:
            if not re.fullmatch(r"[a-z]+", word) or len(word) not in LENGTHS or word in unwanted:
                continue
            if word.capitalize() in known or inflected(word, known):
                continue
            if any(part in word for part in UNFIT_PARTS) and word not in UNFIT_PARTS_ALLOWED:
                continue
            # A double inflection of an unwanted word is as unwanted as the word.
            if any(word.startswith(bad) and len(word) - len(bad) <= 3 for bad in OFFENSIVE if len(bad) >= 5):
                continue
            candidates.append((SIZE_COST[size] + len(word) * 0.5, word))
    seen, chosen, fronts, sounds = set(), [], set(), set()
    for _, word in sorted(candidates):
        if word in seen or word[:4] in fronts or sound(word) in sounds:
            continue
        seen.add(word)
        if any(close(word, other) for other in chosen):
            continue
        chosen.append(word)
        fronts.add(word[:4])
        sounds.add(sound(word))
        if len(chosen) == COUNT:
            break
    if len(chosen) < COUNT:
        sys.exit("only %d words" % len(chosen))
    print("\n".join(sorted(chosen)))


main()
